"""The simulated broker: MQTT's QoS 1 with a persistent session for the one device of a world."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

from edgedescent_world.chance import Chance
from edgedescent_world.link import Link, Packet
from edgedescent_world.timeline import Timeline


class Copy(msgspec.Struct, eq=False):
    """One message that the broker took on; a publisher may send the same payload twice."""

    number: int
    payload: bytes
    acknowledged: bool = False
    lost: bool = False
    """Whether the broker forgot it, or never had a session to keep it for."""


class Session(msgspec.Struct):
    """What the broker keeps for the device while it is away."""

    subscribed: bool = False
    queue: deque[Copy] = msgspec.field(default_factory=deque)
    in_flight: dict[int, Copy] = msgspec.field(default_factory=dict)
    """What was sent and not acknowledged, by packet id, in the order of sending."""
    last_id: int = 0

    def copy(self) -> Session:
        """As it is now."""
        return Session(self.subscribed, deque(self.queue), dict(self.in_flight), self.last_id)


class Broker:
    """Takes messages for one device, sends them, and forgets what is acknowledged.

    Args:
        chance: of the world.
        timeline: of the world.
        receive_max: how many messages the device lets it send ahead.
        on_acknowledged: told of each acknowledged payload.
    """

    def __init__(
        self, chance: Chance, timeline: Timeline, *, receive_max: int, on_acknowledged: Callable[[bytes], None]
    ) -> None:
        self._chance = chance
        self._timeline = timeline
        self._receive_max = receive_max
        # A few ids more than can be in flight: they are used again soon, as they are in a long life.
        self._id_max = receive_max + chance.dice.choice((0, 1, 5, 60_000))
        self._on_acknowledged = on_acknowledged
        self.up = True
        self.session: Session | None = None
        self._saved: Session | None = None
        self._link: Link | None = None
        self.copies: list[Copy] = []
        self.forgetful = False
        """Whether it ever came back with a session of old, and sent again what it had been told to forget."""

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the device."""
        return self.up and (self.session is None or not (self.session.queue or self.session.in_flight))

    def take(self, payload: bytes) -> bool:
        """Take on a message from a publisher; False while it is down."""
        if not self.up:
            return False
        copy = Copy(len(self.copies), payload)
        self.copies.append(copy)
        if self.session is None or not self.session.subscribed:
            copy.lost = True
        else:
            self.session.queue.append(copy)
            self._send()
        return True

    # --- The device's connection ----------------------------------------------------------------------------------

    def receive(self, link: Link, packet: Packet) -> None:
        """Take a packet from the device."""
        if packet.kind == "connect":
            if not self.up:
                link.cut()
                return
            if self._link is not None:
                self._link.cut()
            self._link = link
            present = self.session is not None
            self.session = self.session or Session()
            link.send_down(Packet("connack", session_present=present))
            for packet_id, copy in self.session.in_flight.items():
                link.send_down(Packet("publish", packet_id, copy.payload, duplicate=True))
            self._send()
        elif link is not self._link or self.session is None:
            return
        elif packet.kind == "subscribe":
            self.session.subscribed = True
        elif packet.kind == "puback":
            acknowledged = self.session.in_flight.pop(packet.packet_id, None)
            if acknowledged is not None:
                if self._chance.note:
                    self._chance.note(f"broker: {packet.packet_id} acknowledged: {acknowledged.payload[:40]!r}")
                acknowledged.acknowledged = True
                self._on_acknowledged(acknowledged.payload)
            self._send()

    def hang_up(self, link: Link) -> None:
        """Take note that a connection broke."""
        if link is self._link:
            self._link = None

    def _send(self) -> None:
        session = self.session
        while self._link and session and session.queue and len(session.in_flight) < self._receive_max:
            copy = session.queue.popleft()
            packet_id = session.last_id
            while True:
                packet_id = packet_id % self._id_max + 1
                if packet_id not in session.in_flight:
                    break
            session.last_id = packet_id
            session.in_flight[packet_id] = copy
            self._link.send_down(Packet("publish", packet_id, copy.payload))

    # --- What goes wrong ------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Lose the device's connection."""
        if self._link is not None:
            self._link.cut()

    def save(self) -> None:
        """Write to its disk what it knows, as brokers do now and then."""
        self._saved = self.session.copy() if self.session else None

    def restart(self, session: Literal["kept", "stale", "lost"], away_s: float) -> None:
        """Go down, and come back with the session as it was, as it was last saved, or without."""
        if self._chance.note:
            self._chance.note(f"broker: restart, session {session}")
        self.up = False
        if self._link is not None:
            self._link.cut()
        self._timeline.after(away_s, self._come_back)
        if session == "kept" or self.session is None:
            return
        self.forgetful = self.forgetful or session == "stale"
        known = [*self.session.in_flight.values(), *self.session.queue]
        self.session = self._saved.copy() if session == "stale" and self._saved else None
        kept = {*self.session.in_flight.values(), *self.session.queue} if self.session else set()
        for copy in known:
            copy.lost = copy not in kept
        for copy in kept:
            copy.lost = False
        if session == "lost":
            self._saved = None

    def _come_back(self) -> None:
        self.up = True
