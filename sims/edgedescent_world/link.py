"""Simulated network connection between the device and the broker: ordered, delayed, and cut at any moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline

DROPPED = b"dropped"
"""Payload of an acknowledgement by which the daemon drops a message, for the ledger: no broker sees the difference."""


class Packet(msgspec.Struct, frozen=True):
    """MQTT packet, reduced to what the simulation needs."""

    kind: Literal[
        "connect",
        "connack",
        "subscribe",
        "suback",
        "unsubscribe",
        "unsuback",
        "publish",
        "puback",
        "answer",
        "ping",
        "pong",
    ]
    packet_id: int = 0
    topic: str = ""
    payload: bytes = b""
    duplicate: bool = False
    session_present: bool = False
    filters: tuple[str, ...] = ()
    """Topic filters of a subscription, or of its end."""
    identifiers: tuple[int, ...] = ()
    """Identifiers of the subscriptions that it makes, or that it is sent for."""


class Peer(Protocol):
    """Broker's end of a connection."""

    def receive(self, link: Link, packet: Packet) -> None:
        """Handle a packet from the device."""

    def disconnected(self, link: Link) -> None:
        """Handle the loss of the connection."""


class Link:
    """Connection between the device and the broker.

    When it is cut, any number of the packets in transit still arrive, but never with a gap.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        broker: The other end.
        filters: Topic filters that the device's configuration names.
    """

    def __init__(self, chance: Chance, timeline: Timeline, broker: Peer, filters: Sequence[str] = ()) -> None:
        self.filters = filters
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._up: deque[Packet] = deque()
        self._down: deque[Packet] = deque()
        self.received: deque[Packet] = deque()
        """Packets in the receive buffer of the device's socket."""
        self.alive = True

    def send_up(self, packet: Packet) -> None:
        """Send a packet from the device to the broker."""
        if self.alive:
            self._up.append(packet)
            self._timeline.after(self._latency_s(), self._arrive_up)

    def send_down(self, packet: Packet) -> None:
        """Send a packet from the broker to the device."""
        if self.alive:
            self._down.append(packet)
            self._timeline.after(self._latency_s(), self._arrive_down)

    def cut(self) -> None:
        """Cut the connection. The device notices it once it has read its receive buffer."""
        if not self.alive:
            return
        dice = self._chance.dice
        if self._chance.trace:
            self._chance.trace("connection cut")
        for _ in range(dice.randint(0, len(self._up))):
            self._arrive_up()
        for _ in range(dice.randint(0, len(self._down))):
            self._arrive_down()
        self.alive = False
        self._up.clear()
        self._down.clear()
        if dice.random() < 0.5:
            self.received.clear()
        self._broker.disconnected(self)

    def _latency_s(self) -> float:
        return self._chance.rates.latency_s * self._chance.dice.random()

    def _arrive_up(self) -> None:
        # Each packet schedules one arrival, but the oldest packet arrives, so that the order is kept.
        if self._up:
            self._broker.receive(self, self._up.popleft())

    def _arrive_down(self) -> None:
        if self._down:
            self.received.append(self._down.popleft())
