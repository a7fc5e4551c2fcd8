"""Simulated MQTT broker: QoS 1 with a persistent session for one device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from edgedescent_mqtt.topics import matches
from edgedescent_world.chance import Chance
from edgedescent_world.ledger import Violation
from edgedescent_world.link import DROPPED, Link, Packet
from edgedescent_world.timeline import Timeline

OnAcknowledged = Callable[[str, bytes, Sequence[str], bool], None]
NUMBERS_ANEW = 0.25
"""Share of brokers that number the messages of each connection anew."""


class Publication(msgspec.Struct, eq=False):
    """Message accepted from a publisher, who may send the same payload twice."""

    number: int
    topic: str
    payload: bytes
    acknowledged: bool = False
    """True once the device has acknowledged it."""
    lost: bool = False
    """True if it was lost with the session, or there was no session to keep it for."""
    dropped: bool = False
    """True once the device has dropped it, or a copy of it."""


class Copy(msgspec.Struct, eq=False):
    """Publication as it is sent to the device: once, or for each subscription that it matches."""

    publication: Publication
    identifiers: tuple[int, ...] = ()
    """Identifiers of the subscriptions for which it is sent."""


class Session(msgspec.Struct):
    """Persistent session of the device."""

    subscriptions: dict[str, int] = msgspec.field(default_factory=dict)
    """Subscription identifiers by topic filter; 0 for none."""
    queue: deque[Copy] = msgspec.field(default_factory=deque)
    in_flight: dict[int, Copy] = msgspec.field(default_factory=dict)
    """Unacknowledged messages by packet id, in the order of sending."""
    last_id: int = 0

    def copy(self) -> Session:
        """Copy of the session as it is now."""
        return Session(dict(self.subscriptions), deque(self.queue), dict(self.in_flight), self.last_id)

    @property
    def publications(self) -> set[Publication]:
        """Publications that the device has not acknowledged, or not all copies of them."""
        return {copy.publication for copy in (*self.queue, *self.in_flight.values())}


class Broker:
    """Broker with one device, to which it sends the accepted messages until they are acknowledged.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        receive_max: Number of unacknowledged messages that it sends ahead.
        on_acknowledged: Called with topic and payload of each acknowledged message, once all copies of it are; with the
            filters that the device had when it acknowledged the last one; and with True if it dropped one.
    """

    def __init__(
        self, chance: Chance, timeline: Timeline, *, receive_max: int, on_acknowledged: OnAcknowledged
    ) -> None:
        self._chance = chance
        self._timeline = timeline
        self._receive_max = receive_max
        # With few packet ids they are reused soon, as they are in a long run.
        self._id_max = receive_max + chance.dice.choice((0, 1, 5, 60_000))
        self._numbers_anew = chance.dice.random() < NUMBERS_ANEW
        """True for a broker that begins each connection with the packet id 1."""
        self.knows_identifiers = chance.filters.random() < 0.8
        """True for a broker that tells for which subscriptions it sends a message."""
        self._sends_copies = chance.filters.random() < 0.7
        """True for a broker that sends a message once for each subscription that it matches."""
        self._on_acknowledged = on_acknowledged
        self.up = True
        self.session: Session | None = None
        self._saved: Session | None = None
        self._link: Link | None = None
        self.publications: list[Publication] = []
        self.was_stale = False
        """True if it ever restored an outdated session, and so sent acknowledged messages again."""

    @property
    def idle(self) -> bool:
        """True if no message waits for the device."""
        return self.up and (self.session is None or not (self.session.queue or self.session.in_flight))

    def accept(self, topic: str, payload: bytes) -> bool:
        """Accept a message from a publisher; returns False while the broker is down."""
        if not self.up:
            return False
        publication = Publication(len(self.publications), topic, payload)
        self.publications.append(publication)
        subscriptions = {} if self.session is None else self.session.subscriptions
        found = [number for name, number in subscriptions.items() if matches(name, topic)]
        if self.session is None or not found:
            publication.lost = True
            return True
        for numbers in [[number] for number in found] if self._sends_copies else [found]:
            self.session.queue.append(Copy(publication, tuple(number for number in numbers if number)))
        self._send()
        return True

    # --- The device's connection ----------------------------------------------------------------------------------

    def receive(self, link: Link, packet: Packet) -> None:
        """Handle a packet from the device.

        Raises:
            Violation: If acknowledgements are out of order (MQTT 5, section 4.6).
        """
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
            if self._numbers_anew:
                self.session.in_flight = dict(enumerate(self.session.in_flight.values(), 1))
                self.session.last_id = len(self.session.in_flight)
            for packet_id, copy in self.session.in_flight.items():
                link.send_down(_publish(packet_id, copy, duplicate=True))
            self._send()
        elif link is not self._link or self.session is None:
            return
        elif packet.kind in ("subscribe", "unsubscribe"):
            self._subscribe(link, packet, self.session.subscriptions)
        elif packet.kind == "ping":
            link.send_down(Packet("pong"))
        elif packet.kind == "puback":
            in_flight = self.session.in_flight
            if packet.packet_id in in_flight and packet.packet_id != next(iter(in_flight)):
                raise Violation(f"packet {packet.packet_id} was acknowledged before others that came earlier")
            if packet.packet_id in in_flight:
                sent = in_flight.pop(packet.packet_id).publication
                self._acknowledged(sent, link.filters, dropped=packet.payload == DROPPED)
            self._send()

    def _acknowledged(self, publication: Publication, filters: Sequence[str], *, dropped: bool) -> None:
        """Note the acknowledgement of a publication, or of a copy of it."""
        publication.dropped |= dropped
        if self.session is None or publication in self.session.publications:
            return
        if self._chance.trace:
            self._chance.trace(f"broker: acknowledged: {publication.payload[:40]!r}")
        publication.acknowledged = True
        self._on_acknowledged(publication.topic, publication.payload, filters, publication.dropped)

    @staticmethod
    def _subscribe(link: Link, packet: Packet, subscriptions: dict[str, int]) -> None:
        if packet.kind == "subscribe":
            subscriptions.update(dict.fromkeys(packet.filters, *packet.identifiers or (0,)))
        else:
            for name in packet.filters:
                subscriptions.pop(name, None)
        kind: Literal["suback", "unsuback"] = "suback" if packet.kind == "subscribe" else "unsuback"
        link.send_down(Packet(kind, packet.packet_id, filters=packet.filters))

    def disconnected(self, link: Link) -> None:
        """Handle the loss of a connection."""
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
            self._link.send_down(_publish(packet_id, copy))

    # --- Faults ---------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Cut the connection of the device."""
        if self._link is not None:
            self._link.cut()

    def save_session(self) -> None:
        """Save the session to disk, as brokers do from time to time."""
        self._saved = self.session.copy() if self.session else None

    def restart(self, session: Literal["kept", "stale", "lost"], away_s: float) -> None:
        """Restart the broker.

        Args:
            session: ``kept`` restores the current session, ``stale`` the one last saved, ``lost`` none.
            away_s: Time for which the broker is down.
        """
        if self._chance.trace:
            self._chance.trace(f"broker: restart, session {session}")
        self.up = False
        if self._link is not None:
            self._link.cut()
        self._timeline.after(away_s, self._finish_restart)
        if session == "kept" or self.session is None:
            return
        self.was_stale = self.was_stale or session == "stale"
        known = self.session.publications
        self.session = self._saved.copy() if session == "stale" and self._saved else None
        kept = self.session.publications if self.session else set()
        for publication in known:
            publication.lost = publication not in kept
        for publication in kept:
            publication.lost = False
        if session == "lost":
            self._saved = None

    def _finish_restart(self) -> None:
        self.up = True


def _publish(packet_id: int, copy: Copy, *, duplicate: bool = False) -> Packet:
    sent = copy.publication
    return Packet("publish", packet_id, sent.topic, sent.payload, duplicate, identifiers=copy.identifiers)
