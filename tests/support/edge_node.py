"""Simulated edge node of Sparkplug B, which writes its messages byte by byte, without protobuf.

The numbers are those of the Sparkplug Specification 3.0.0, section 6.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    is_null: bool = False


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def field(number: int, value: int | bytes) -> bytes:
    """Field of wire type 0 for an integer, or 2 for bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def value_field(datatype: int, value: Any) -> bytes:
    """Field of a metric that holds a value."""
    if datatype in INTEGERS:
        bits = INTEGERS[datatype]
        # Two's complement, in the field of its width.
        return field(11 if bits == 64 else 10, value & ((1 << max(bits, 32)) - 1))
    if datatype in (9, 10):
        wire, form = {9: (12 << 3 | 5, "<f"), 10: (13 << 3 | 1, "<d")}[datatype]
        return varint(wire) + struct.pack(form, value)
    number = {5: 10, 6: 10, 7: 10, 8: 11, 11: 14, 12: 15, 13: 11, 14: 15, 15: 15, 16: 18, 19: 19}.get(datatype, 16)
    return field(number, value.encode() if isinstance(value, str) else value)


def metric(
    *,
    name: str | None = None,
    alias: int | None = None,
    at_ms: int | None = None,
    datatype: int | None = None,
    is_null: bool = False,
    properties: bytes = b"",
    value: bytes = b"",
) -> bytes:
    """Metric of a payload."""
    parts = [
        *([] if name is None else [field(1, name.encode())]),
        *([] if alias is None else [field(2, alias)]),
        *([] if at_ms is None else [field(3, at_ms)]),
        *([] if datatype is None else [field(4, datatype)]),
        *([field(7, 1)] if is_null else []),
        *([field(9, properties)] if properties else []),
        value,
    ]
    return b"".join(parts)


def quality(code: int) -> bytes:
    """Properties of a metric with a quality code, an Int32."""
    return field(1, b"Quality") + field(2, field(1, 3) + field(3, code))


def payload(metrics: Sequence[bytes], at_ms: int | None = None, seq: int | None = None) -> bytes:
    """Payload of a message."""
    parts = [] if at_ms is None else [field(1, at_ms)]
    parts += [field(2, one) for one in metrics]
    return b"".join([*parts, *([] if seq is None else [field(3, seq)])])


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
        self.n_aliases = 0

    def _topic(self, kind: str, device: str = "") -> str:
        return f"spBv1.0/{self.group}/{kind}/{self.name}" + (f"/{device}" if device else "")

    def _encode(self, metrics: Sequence[M], device: str, birth: bool, seq: int | None) -> bytes:
        encoded = []
        for one in metrics:
            key = device, one.name
            by_alias = self.uses_alias and one.name != "bdSeq"
            if birth and by_alias:
                # Each birth gives others.
                self.n_aliases += 1
                self.aliases[key] = self.n_aliases
            is_named = birth or not by_alias or key not in self.aliases
            encoded.append(
                metric(
                    name=one.name if is_named else None,
                    alias=self.aliases.get(key) if by_alias else None,
                    at_ms=one.at_ms,
                    datatype=one.datatype if is_named else None,
                    is_null=one.is_null,
                    value=b"" if one.is_null else value_field(one.datatype, one.value),
                )
            )
        return payload(encoded, self.clock(), seq)

    def _next(self) -> int:
        self.seq = (self.seq + 1) % 256
        return self.seq

    def death(self) -> Sent:
        """Will of the connection, as the broker sends it."""
        return Sent(self._topic("NDEATH"), self._encode([M("bdSeq", self.bd_seq, 8)], "", True, None))

    def connect(self, *metrics: M) -> Sent:
        """Birth of a new session."""
        self.bd_seq = (self.bd_seq + 1) % 256
        self.aliases, self.n_aliases = {}, 0
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
