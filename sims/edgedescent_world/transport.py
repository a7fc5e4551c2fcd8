"""Simulated transport: the daemon's end of the connection to the simulated broker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from edgedescent.interfaces import Delivery, PlainTransport, still_valid
from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.link import DROPPED, Link, Packet
from edgedescent_world.subscriptions import DeviceSubscriptions
from edgedescent_world.timeline import Timeline


class SimulatedTransport(PlainTransport):
    """Transport that connects to the simulated broker, and reconnects after each loss.

    It behaves like the MQTT adapter with one difference, which makes it harder for the daemon: one poll may continue
    over a new connection, so its deliveries may belong to several connections.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        broker: The broker.
        receive_max: Number of unacknowledged messages that the broker is allowed to send; it may send fewer.
        filters: Topic filters that the configuration names.
    """

    def __init__(
        self, chance: Chance, timeline: Timeline, broker: Broker, receive_max: int, filters: Sequence[str]
    ) -> None:
        self._filters = filters
        self.subscriptions = DeviceSubscriptions(filters, self._send_up)
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._receive_max = receive_max
        self._link: Link | None = None
        self._generation = 0
        self._retry_at = 0.0
        self._sessions: dict[int, int] = {}
        """Number of the session of each connection."""
        self._to_subscribe = False
        self._screened: set[int] = set()
        """Packet ids of this connection's unacknowledged messages that no filter asks for, or are further copies."""
        self._calls = 0
        """Number of calls of `acknowledge`."""
        self._pings: deque[int] = deque()
        """Number of calls before each ping that the broker has not answered over this connection."""
        self.confirmed = 0
        self._inbox: list[Delivery] = []
        self.connected = False
        """True while the broker has accepted the connection."""
        self.on_poll: Callable[[], None] = _do_nothing
        """Called at the beginning of each poll."""

    @property
    def window(self) -> int | None:
        """Number of unacknowledged messages that the broker may send."""
        return self._receive_max

    @property
    def memory(self) -> str:  # type: ignore[override]
        """Record of the broker's session."""
        return self.subscriptions.record.text

    @property
    def counts(self) -> Mapping[str, int]:  # type: ignore[override]
        """Counts of surplus messages."""
        return self.subscriptions.counts

    def resume(self, memory: str, last_packet_id: int | None, packet_ids: Sequence[int]) -> None:  # noqa: ARG002
        """Continue with the session of an earlier process."""
        self.subscriptions.resume(memory)

    def session(self, generation: int) -> int:
        """Number of the session of a connection."""
        return self._sessions[generation]

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Advance the time until messages arrive.

        Args:
            timeout_s: Longest time to wait.
            take: False to read no messages.

        Returns:
            The deliveries.
        """
        chance, timeline = self._chance, self._timeline
        self.on_poll()
        chance.step("poll")
        until = timeline.now + timeout_s
        if self._to_subscribe and self._link is not None and take:
            # Not before this poll: by now the record of the session is saved, unless the disk is full.
            self._to_subscribe = False
            self.subscriptions.start()
        self._read_socket(take)
        while not self._inbox and timeline.run_next(until):
            self._read_socket(take)
        if self._inbox and chance.hit(chance.rates.linger):
            until = timeline.now + timeout_s * chance.dice.random()
            while timeline.run_next(until):
                self._read_socket(take)
        arrived, self._inbox = self._inbox, []
        if chance.trace and arrived:
            chance.trace(f"polled {[(d.generation, d.packet_id) for d in arrived]}")
        chance.step("polled")
        return arrived

    def _read_socket(self, take: bool) -> None:
        """Read packets from the socket, or connect if there is no connection."""
        link = self._link
        if link is None:
            if self._timeline.now >= self._retry_at:
                self._link = link = Link(self._chance, self._timeline, self._broker, self._filters)
                link.send_up(Packet("connect"))
            return
        for _ in range(self._chance.rates.read_max):
            if not link.received or len(self._inbox) >= self._receive_max or (self.connected and not take):
                break
            self._handle(link.received.popleft())
        if not link.alive and not (link.received and take):
            link.received.clear()
            self._link, self.connected = None, False
            self._retry_at = self._timeline.now + 0.5 * self._chance.dice.random() ** 3
            # An event at that time wakes up a poll that waits.
            self._timeline.after(self._retry_at - self._timeline.now, _do_nothing)

    def _handle(self, packet: Packet) -> None:
        if packet.kind == "connack":
            self._generation += 1
            self.connected = True
            self.subscriptions.connected(
                session_present=packet.session_present, knows_identifiers=self._broker.knows_identifiers
            )
            self._sessions[self._generation] = self.subscriptions.record.session
            self._pings.clear()
            self._screened.clear()
            if self._chance.trace:
                self._chance.trace(f"connected, {'old' if packet.session_present else 'new'} session")
            self._to_subscribe = True
        elif packet.kind == "pong":
            self.confirmed = self._pings.popleft()
        elif packet.kind in ("suback", "unsuback"):
            self.subscriptions.answered(packet)
        else:
            delivery = Delivery(
                packet.topic,
                packet.payload,
                packet.packet_id,
                1,
                packet.duplicate,
                self._generation,
                packet.identifiers,
            )
            (screened,) = self.subscriptions.screen(delivery)
            if screened.surplus:
                self._screened.add(packet.packet_id)
            self._inbox.append(screened)

    def _send_up(self, packet: Packet) -> None:
        if self._link is not None:
            self._link.send_up(packet)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> bool:
        """Acknowledge deliveries to the broker; returns True if all were sent over this connection."""
        self._calls += 1
        valid: list[Delivery] = []
        if self._link is not None and self.connected:
            valid = still_valid(deliveries, self._generation)
            for delivery in valid:
                self._chance.step("acknowledge")
                dropped = delivery.surplus and delivery.packet_id not in self._screened
                self._screened.discard(delivery.packet_id)
                self._link.send_up(Packet("puback", delivery.packet_id, payload=DROPPED if dropped else b""))
            self._link.send_up(Packet("ping"))
            self._pings.append(self._calls)
        self._chance.step("acknowledged")
        return len(valid) == len(deliveries)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes = b"") -> bool:  # noqa: ARG002
        """Publish a message; returns False if it cannot be sent now."""
        chance = self._chance
        chance.step("publish")
        if chance.trace:
            chance.trace(f"published to {topic}: {payload[:40]!r}")
        if self._link is None or not self.connected or (not retain and chance.hit(chance.rates.refused)):
            return False
        self._link.send_up(Packet("answer", payload=payload))
        return True

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Disconnect after time for sent packets to arrive; returns False if `if_quiet` and packets are unread."""
        if if_quiet and self._link is not None and self._link.received:
            return False
        self._chance.step("acknowledged")
        self._timeline.run_until(self._timeline.now + timeout_s * self._chance.dice.random())
        self.drop_connection()
        return True

    def drop_connection(self) -> None:
        """Drop the connection, as the end of a process does."""
        if self._link is not None:
            self._link.cut()
        self._link, self.connected = None, False


def _do_nothing() -> None:
    """Event without an effect."""
