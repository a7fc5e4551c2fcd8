"""The daemon's side of the connection, as a transport."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from edgedescent.adapters import Delivery, still_valid
from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.link import Link, Packet
from edgedescent_world.timeline import Timeline

TOPIC = "edgedescent/pump/events"


class NoConfig(msgspec.Struct):
    """There is nothing to configure."""


class SimulatedTransport:
    """Connects to the simulated broker, and again whenever that breaks.

    It behaves as the MQTT adapter does, in one respect worse: one poll may read on over a new connection, so that what
    it returns belongs to several.

    Args:
        chance: of the world.
        timeline: of the world.
        broker: to connect to.
        receive_max: how many messages may wait here; the broker may send fewer ahead.
    """

    Config: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init__(self, chance: Chance, timeline: Timeline, broker: Broker, receive_max: int) -> None:
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._receive_max = receive_max
        self._link: Link | None = None
        self._generation = 0
        self._retry_at = 0.0
        self._inbox: list[Delivery] = []
        self.connected = False
        """Whether the broker has accepted the connection."""
        self.on_poll: Callable[[], None] = _nothing

    @property
    def window(self) -> int | None:
        """How many messages we ask the broker to send ahead at most."""
        return self._receive_max

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Let time pass until something arrives, at most `timeout_s`; nothing is read where it is not to be taken."""
        chance, timeline = self._chance, self._timeline
        self.on_poll()
        chance.step("poll")
        until = timeline.now + timeout_s
        self._tend(take)
        while not self._inbox and timeline.run_next(until):
            self._tend(take)
        if self._inbox and chance.hit(chance.rates.linger):
            until = timeline.now + timeout_s * chance.dice.random()
            while timeline.run_next(until):
                self._tend(take)
        arrived, self._inbox = self._inbox, []
        if chance.note and arrived:
            chance.note(f"polled {[(d.generation, d.packet_id) for d in arrived]}")
        chance.step("polled")
        return arrived

    def _tend(self, take: bool) -> None:
        """Read what the socket has; connect where there is no connection."""
        link = self._link
        if link is None:
            if self._timeline.now >= self._retry_at:
                self._link = link = Link(self._chance, self._timeline, self._broker)
                link.send_up(Packet("connect"))
            return
        for _ in range(self._chance.rates.read_max):
            if not link.received or len(self._inbox) >= self._receive_max or (self.connected and not take):
                break
            self._take(link, link.received.popleft())
        if not link.alive and not (link.received and take):
            link.received.clear()
            self._link, self.connected = None, False
            self._retry_at = self._timeline.now + 0.5 * self._chance.dice.random() ** 3
            # Something must happen at that time, or nobody would look.
            self._timeline.after(self._retry_at - self._timeline.now, _nothing)

    def _take(self, link: Link, packet: Packet) -> None:
        if packet.kind == "connack":
            self._generation += 1
            self.connected = True
            if self._chance.note:
                self._chance.note(f"connected, {'old' if packet.session_present else 'new'} session")
            link.send_up(Packet("subscribe"))
        else:
            self._inbox.append(Delivery(TOPIC, packet.payload, packet.packet_id, 1, packet.duplicate, self._generation))

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that it may forget these."""
        if self._link is not None and self.connected:
            for delivery in still_valid(deliveries, self._generation):
                self._chance.step("acknowledge")
                self._link.send_up(Packet("puback", delivery.packet_id))
        self._chance.step("acknowledged")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Send a message; False where there is no connection, or no room."""
        chance = self._chance
        chance.step("publish")
        if chance.note:
            chance.note(f"published to {topic}: {payload[:40]!r}")
        if self._link is None or not self.connected or (not retain and chance.hit(chance.rates.refused)):
            return False
        self._link.send_up(Packet("answer", payload=payload))
        return True

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Let what was sent arrive, and disconnect."""
        if if_quiet and self._link is not None and self._link.received:
            return False
        self._chance.step("acknowledged")
        self._timeline.run_until(self._timeline.now + timeout_s * self._chance.dice.random())
        self.hang_up()
        return True

    def hang_up(self) -> None:
        """Lose the connection, as a process that ends does."""
        if self._link is not None:
            self._link.cut()
        self._link, self.connected = None, False


def _nothing() -> None:
    """Let a moment pass."""
