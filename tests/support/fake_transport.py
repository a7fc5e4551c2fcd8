"""Transport that delivers what a test puts in and records what goes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from edgedescent.interfaces import Delivery, PlainTransport


class FakeTransport(PlainTransport):
    """Delivers what the test puts in, and records what is published."""

    def __init__(self, history: list[str]) -> None:
        self.connected = True
        self.arriving: list[list[bytes | Delivery]] = []
        self.qos = 1
        self.packet_id = 0
        self.window: int | None = 1000
        self.taking = True
        self.waited_s = 0.0
        self.published: list[tuple[str, bytes, bool]] = []
        self.correlations: list[bytes] = []
        """Correlation data of each."""
        self.acknowledged: list[bytes] = []
        self.closed = False
        self.last_packet_id: int | None = None
        """Packet id behind which it continues."""
        self.packet_ids: list[int] = []
        """Packet ids of messages that may be sent again to it."""
        self._history = history

    def resume(self, memory: str, last_packet_id: int | None, packet_ids: Sequence[int]) -> None:  # noqa: ARG002
        self.last_packet_id, self.packet_ids = last_packet_id, list(packet_ids)

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        assert timeout_s >= 0
        self.waited_s = timeout_s
        self.taking = take
        if not take or not self.arriving:
            return []
        deliveries = []
        for one in self.arriving.pop(0):
            self.packet_id += self.qos
            known = isinstance(one, Delivery)
            deliveries.append(one if known else Delivery("edgedescent/pump/events", one, self.packet_id, self.qos))
        return deliveries

    def acknowledge(self, deliveries: Sequence[Delivery]) -> bool:
        self._history.append("acknowledge")
        self.acknowledged += [delivery.payload for delivery in deliveries]
        return True

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes = b"") -> bool:
        if self.closed:
            return False
        if self.connected:
            self.published.append((topic, payload, retain))
            self.correlations.append(correlation)
        return self.connected

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        assert timeout_s > 0
        if if_quiet and self.arriving and self.arriving[0]:
            return False
        self.closed = True
        return True

    def of(self, name: str) -> list[Any]:
        """Messages published to one of the device's topics."""
        return [json.loads(payload) for topic, payload, _ in self.published if topic == f"edgedescent/pump/{name}"]
