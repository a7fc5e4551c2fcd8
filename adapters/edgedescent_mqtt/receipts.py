"""Proof that the broker has received acknowledgements: MQTT itself has none at QoS 1."""

from __future__ import annotations

from edgedescent_mqtt.packet_socket import PacketSocket


class Receipts:
    """Pings behind acknowledgements: as the broker handles packets in order, their answers prove the receipt.

    One ping is under way at a time, so that they cost nothing at a high rate.

    Attributes:
        confirmed: Number of the last call of `on_sent` whose acknowledgements the broker is known to have.
        events_confirmed: Number of events of this connection whose acknowledgements it is known to have.
    """

    def __init__(self) -> None:
        self.confirmed = 0
        self._calls = 0
        self._ping: int | None = None
        """Number of the ping that is under way."""
        self._asked = 0
        """Number of calls before it."""
        self.events_confirmed = self._events_asked = self._events = 0

    def on_connected(self) -> None:
        """Record that there is a new connection: what was sent over the one before is not proven any more."""
        self._ping = None
        self._asked = self._calls
        self.events_confirmed = self._events_asked = self._events = 0

    def on_sent(self, sock: PacketSocket | None, n_events: int = 0) -> None:
        """Record that acknowledgements of so many events were queued, on `sock`; None if there were none to send."""
        self._calls += 1
        self._events += n_events
        if sock is not None:
            self._ask(sock)

    def on_answered(self, sock: PacketSocket) -> None:
        """Record that a packet of the broker's was read."""
        if self._ping is not None and sock.pings_answered >= self._ping:
            self._ping = None
            self.confirmed, self.events_confirmed = self._asked, self._events_asked
            self._ask(sock)

    def on_goodbye(self) -> None:
        """Record that the broker has closed the connection at the device's DISCONNECT, which came last."""
        self.confirmed = self._calls

    def _ask(self, sock: PacketSocket) -> None:
        if self._ping is None and self._calls > self._asked:
            self._ping, self._asked, self._events_asked = sock.ping(), self._calls, self._events
