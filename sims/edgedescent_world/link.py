"""One connection between the device and its broker: in order, delayed, and cut at any moment."""

from __future__ import annotations

from collections import deque
from typing import Literal, Protocol

import msgspec

from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline


class Packet(msgspec.Struct, frozen=True):
    """What goes over a connection, as much of it as matters."""

    kind: Literal["connect", "connack", "subscribe", "publish", "puback", "answer"]
    packet_id: int = 0
    payload: bytes = b""
    duplicate: bool = False
    session_present: bool = False


class Peer(Protocol):
    """The broker's side."""

    def receive(self, link: Link, packet: Packet) -> None:
        """Take a packet."""

    def hang_up(self, link: Link) -> None:
        """Take note that the connection broke."""


class Link:
    """A connection; what is on its way when it is cut may arrive or not, but never with a gap.

    Args:
        chance: of the world.
        timeline: of the world.
        broker: the other side.
    """

    def __init__(self, chance: Chance, timeline: Timeline, broker: Peer) -> None:
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._up: deque[Packet] = deque()
        self._down: deque[Packet] = deque()
        self.received: deque[Packet] = deque()
        """What waits in the device's socket."""
        self.alive = True

    def send_up(self, packet: Packet) -> None:
        """Send from the device to the broker."""
        if self.alive:
            self._up.append(packet)
            self._timeline.after(self._latency_s(), self._arrive_up)

    def send_down(self, packet: Packet) -> None:
        """Send from the broker to the device."""
        if self.alive:
            self._down.append(packet)
            self._timeline.after(self._latency_s(), self._arrive_down)

    def cut(self) -> None:
        """Break; either side learns of it, the device when it has read what it had received."""
        if not self.alive:
            return
        dice = self._chance.dice
        if self._chance.note:
            self._chance.note("connection cut")
        for _ in range(dice.randint(0, len(self._up))):
            self._arrive_up()
        for _ in range(dice.randint(0, len(self._down))):
            self._arrive_down()
        self.alive = False
        self._up.clear()
        self._down.clear()
        if dice.random() < 0.5:
            self.received.clear()
        self._broker.hang_up(self)

    def _latency_s(self) -> float:
        return self._chance.rates.latency_s * self._chance.dice.random()

    def _arrive_up(self) -> None:
        # Each packet has a moment at which one arrives: the oldest, so that they stay in order.
        if self._up:
            self._broker.receive(self, self._up.popleft())

    def _arrive_down(self) -> None:
        if self._down:
            self.received.append(self._down.popleft())
