"""Simulated edge node of Sparkplug B, which encodes its messages with protobuf."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from edgedescent_sparkplug.payload import Message

INTEGERS = {1: 8, 2: 16, 3: 32, 4: 64}


class Sent(NamedTuple):
    topic: str
    payload: bytes


class M(NamedTuple):
    """Metric to send."""

    name: str
    value: Any
    datatype: int = 10
    at_ms: int | None = None
    alias: int | None = None
    is_null: bool = False


def add_value(metric: Any, datatype: int, value: Any) -> None:
    """Set a value as the specification transports it."""
    if datatype in INTEGERS:
        bits = INTEGERS[datatype]
        # Two's complement, in the field of its width.
        raw = struct.unpack("<Q", struct.pack("<q", value))[0] & ((1 << max(bits, 32)) - 1)
        setattr(metric, "long_value" if bits == 64 else "int_value", raw)
    elif datatype in (5, 6, 7):
        metric.int_value = value
    elif datatype in (8, 13):
        metric.long_value = value
    elif datatype == 9:
        metric.float_value = value
    elif datatype == 10:
        metric.double_value = value
    elif datatype == 11:
        metric.boolean_value = value
    else:
        metric.string_value = value


class EdgeNode:
    """Edge node that numbers its sessions and messages, and refers to metrics by alias once they are born.

    Args:
        name: Its id.
        group: Its group.
        clock: Time in milliseconds since 1970.
        uses_alias: False to send names, with datatypes.
    """

    def __init__(
        self, name: str = "press", group: str = "plant", clock: Callable[[], int] = lambda: 0, uses_alias: bool = True
    ) -> None:
        self.name, self.group, self.clock, self.uses_alias = name, group, clock, uses_alias
        self.bd_seq = -1
        self.seq = 0
        self.aliases: dict[tuple[str, str], int] = {}
        self.types: dict[tuple[str, str], int] = {}

    def _topic(self, kind: str, device: str = "") -> str:
        return f"spBv1.0/{self.group}/{kind}/{self.name}" + (f"/{device}" if device else "")

    def _encode(self, metrics: Sequence[M], device: str, birth: bool, seq: int | None) -> bytes:
        message = Message(timestamp=self.clock())
        if seq is not None:
            message.seq = seq
        for one in metrics:
            metric = message.metrics.add()
            key = device, one.name
            by_alias = self.uses_alias and one.name != "bdSeq"
            if birth and by_alias:
                self.aliases[key] = len(self.aliases) + 1 if one.alias is None else one.alias
            if birth or not by_alias or key not in self.aliases:
                metric.name, metric.datatype = one.name, one.datatype
            if by_alias and key in self.aliases:
                metric.alias = self.aliases[key]
            if one.at_ms is not None:
                metric.timestamp = one.at_ms
            if one.is_null:
                metric.is_null = True
            else:
                add_value(metric, one.datatype, one.value)
        data: bytes = message.SerializeToString(deterministic=True)
        return data

    def _next(self) -> int:
        self.seq = (self.seq + 1) % 256
        return self.seq

    def death(self) -> Sent:
        """Will of the connection, as the broker sends it."""
        return Sent(self._topic("NDEATH"), self._encode([M("bdSeq", self.bd_seq, 8)], "", True, None))

    def connect(self, *metrics: M) -> Sent:
        """Birth of a new session."""
        self.bd_seq = (self.bd_seq + 1) % 256
        self.aliases = {}
        return self.birth(*metrics)

    def birth(self, *metrics: M) -> Sent:
        """Birth in this session."""
        self.seq = 0
        control = M("Node Control/Rebirth", False, 11)
        return Sent(
            self._topic("NBIRTH"), self._encode([M("bdSeq", self.bd_seq, 8), control, *metrics], "", True, self.seq)
        )

    def device_birth(self, device: str, *metrics: M) -> Sent:
        return Sent(self._topic("DBIRTH", device), self._encode(metrics, device, True, self._next()))

    def data(self, device: str, *metrics: M) -> Sent:
        kind = "DDATA" if device else "NDATA"
        return Sent(self._topic(kind, device), self._encode(metrics, device, False, self._next()))

    def device_death(self, device: str) -> Sent:
        return Sent(self._topic("DDEATH", device), self._encode([], device, False, self._next()))


def values(fields: Mapping[str, float]) -> list[M]:
    """Metrics of type Double."""
    return [M(name, value) for name, value in fields.items()]
