"""Publisher of messages to an MQTT broker that loses none at QoS 1.

One thread does everything: paho's `loop_read`, `loop_write` and `loop_misc` are called between messages,
which is faster than passing every message to a thread of paho's own.
"""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from paho.mqtt import client as mqtt
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.errors import TransportError
from edgedescent_mqtt.buffered_socket import BufferedSocket
from edgedescent_mqtt.client import Connection, MqttClient, Session
from edgedescent_mqtt.connect import Backoff, explain, open_socket
from edgedescent_sims.sources.base import Notify, ignore

_TEMPORARY_REFUSALS = frozenset({0x88, 0x89, 0x9F})
"""Reason codes (MQTT 5, section 2.4) after which trying again may help: unavailable, busy, rate exceeded."""
_NO_SUBSCRIBER = 0x10

_HINTS = {
    0x84: "Try --protocol 3.1.1.",
    0x86: "Are --username and --password-file right?",
    0x87: "Are --username and --password-file right, and may this user connect?",
}

_FLUSH_MESSAGES = 32
_FLUSH_S = 0.005
_NOTICE_S = 5.0
_RETRY_MIN_S = 0.1
_RETRY_MAX_S = 1.0
_HANDSHAKE_MIN_S = 1.0
_HANDSHAKE_MAX_S = 5.0
_STOP_DRAIN_S = 2.0


class StopPublishing(Exception):  # noqa: N818 -- a request, not a fault
    """Raised out of a wait once the caller's `should_stop` returns True."""


class Publisher:
    """Connection that publishes to one topic, with at most `window` unacknowledged messages.

    After a lost connection it connects again, and at QoS 1 sends again whatever was not acknowledged: a message can
    arrive twice but not get lost. Use it in a `with` block: entering connects, leaving disconnects.

    Args:
        connection: Address, credentials and protocol.
        topic: The topic, without wildcards.
        qos: 0 or 1.
        window: Most messages that may be unacknowledged at a time; a broker that speaks MQTT 5 may lower it.
        connect_timeout_s: Longest wait for a missing broker, at the start and after each loss of the connection.
        ack_timeout_s: Longest wait for the next acknowledgement.
        notify: Called with one line for each notice to the user.
        should_stop: Asked during waits; once it returns True, `StopPublishing` is raised.

    Raises:
        TransportError: If no broker answers in time, or it refuses the client or a message.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        *,
        qos: int = 1,
        window: int = 200,
        connect_timeout_s: float = 30.0,
        ack_timeout_s: float = 60.0,
        notify: Notify = ignore,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.connection = connection
        self.topic = topic
        self.qos = qos
        self.window = window
        self.events_acked = 0
        self.messages_acked = 0
        self.messages_unheard = 0
        """Messages that the broker accepted although nobody was subscribed (known with MQTT 5 only)."""
        self.reconnects = 0
        self._connect_timeout_s = connect_timeout_s
        self._ack_timeout_s = ack_timeout_s
        self._handshake_s = min(max(connect_timeout_s, _HANDSHAKE_MIN_S), _HANDSHAKE_MAX_S)
        self._notify = notify
        self._should_stop = should_stop
        self._events_by_mid: dict[int, int] = {}
        self._unflushed = 0
        self._flushed_at = 0.0
        self._acked_at = 0.0
        self._lost_at: float | None = None
        self._connected = False
        self._ever_connected = False
        self._lost_because = ""
        self._refused = ""
        self._refusal_code = 0
        self.client_id = f"edgedescent-replay-{secrets.token_hex(4)}"
        self._client = self._make_client()

    def __enter__(self) -> Self:
        """Connect; waits for a missing broker."""
        try:
            self._connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        self.close()

    def close(self) -> None:
        """Disconnect, without a wait for acknowledgements."""
        self._client.disconnect()
        self._client.loop_write()

    @property
    def in_flight(self) -> int:
        """Number of messages that the broker has not acknowledged."""
        return len(self._events_by_mid)

    def send(self, payload: bytes, events: int = 1, topic: str | None = None) -> None:
        """Publish one message; waits for room in the window.

        Args:
            payload: Content of the message.
            events: Number of events in it.
            topic: Topic to use instead of the publisher's.

        Raises:
            TransportError: If the broker is missing for too long, or refuses a message.
            StopPublishing: If the caller asked to stop while this waited; the message was not sent.
        """
        self._check_stop()
        if not self._connected:
            self.pump(0.0)
        while len(self._events_by_mid) >= self.window:
            self.pump(0.1)
            self._check_ack_timeout()
        while True:
            if not self._events_by_mid:
                self._acked_at = time.monotonic()  # Nothing was awaited until now.
            info = self._client.publish(topic or self.topic, payload, self.qos)
            if self.qos > 0 or info.rc == mqtt.MQTT_ERR_SUCCESS:
                break
            self._connect()  # At QoS 0 paho keeps nothing: what it could not take is offered again.
        if self.qos > 0:
            self._events_by_mid[info.mid] = events
        else:
            self.events_acked += events
            self.messages_acked += 1
        self._unflushed += 1
        if self._unflushed >= _FLUSH_MESSAGES or time.monotonic() - self._flushed_at > _FLUSH_S:
            self.pump(0.0)

    def pump(self, timeout_s: float) -> None:
        """Write and read what is there, and replace a lost connection; waits up to `timeout_s`.

        Raises:
            TransportError: If the broker is missing for too long, or refused a message.
            StopPublishing: If the caller asked to stop.
        """
        if timeout_s > 0:
            self._check_stop()
        if not self._connected:
            self._connect()
        self._exchange(timeout_s)
        self._flushed_at = time.monotonic()
        self._unflushed = 0
        if self._refused:
            raise TransportError(
                f"The broker at {self.connection} refused a message: {self._refused}.",
                hint=f"May this user publish to {self.topic}?",
            )

    def drain(self) -> None:
        """Wait until the broker has acknowledged everything.

        Raises:
            TransportError: If it acknowledges nothing for `ack_timeout_s`, or is missing for too long.
            StopPublishing: If the caller asked to stop.
        """
        while self._events_by_mid or self._unwritten():
            self.pump(0.1)
            self._check_ack_timeout()

    def drain_briefly(self) -> None:
        """Wait up to two seconds for acknowledgements, after a request to stop; never reconnects."""
        until = time.monotonic() + _STOP_DRAIN_S
        while self._connected and (self._events_by_mid or self._unwritten()) and time.monotonic() < until:
            self._exchange(0.05)

    # --- The network ----------------------------------------------------------------------------------------------

    def _session(self) -> Session:
        """Session to ask the broker for."""
        return Session()

    def _make_client(self) -> MqttClient:
        client = MqttClient(self.client_id, self.connection.protocol, self._session())
        client.max_inflight_messages_set(self.window)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # With this callback set, paho queues what it has to send, so that `publish` does not write.
        client.on_socket_register_write = lambda _client, _userdata, _sock: None
        return client

    def _exchange(self, timeout_s: float) -> None:
        client = self._client
        client.loop_write()
        sock = self._socket()
        if sock is None:
            return
        sock.flush()
        readable = sock.wait(timeout_s)
        sock.flush()
        if readable:
            client.loop_read()
            # paho stops after a number of packets; the rest in the buffer would not end the next wait.
            while sock.pending() and self._socket() is sock:
                client.loop_read()
        client.loop_misc()

    def _socket(self) -> BufferedSocket | None:
        return cast(BufferedSocket | None, self._client.socket())

    def _unwritten(self) -> bool:
        sock = self._socket()
        return self._client.want_write() or (sock is not None and sock.unsent > 0)

    def _connect(self) -> None:
        """Connect, repeatedly if need be; notifies the user of the wait and its reason."""
        now = time.monotonic()
        if self._lost_at is None:
            # The time runs on until an acknowledgement proves that the new connection works.
            self._lost_at = now
        give_up_at = self._lost_at + self._connect_timeout_s
        notice_at = now
        backoff = Backoff(_RETRY_MIN_S, _RETRY_MAX_S)
        if self._ever_connected:
            self._notify(f"The connection to {self.connection} was lost ({self._lost_because}). Reconnecting.")
            notice_at += 1.0
        while True:
            self._check_stop()
            reason = self._try_to_connect()
            if not reason:
                break
            now = time.monotonic()
            if now >= give_up_at:
                raise TransportError(
                    f"No MQTT broker answers at {self.connection}: {reason}.{self._acked_so_far()}",
                    hint=self._connect_hint(),
                )
            if now >= notice_at:
                left_s = give_up_at - now
                self._notify(f"Waiting for the broker at {self.connection} for up to {left_s:.0f} s: {reason}.")
                notice_at = now + _NOTICE_S
            time.sleep(min(backoff.failed(), max(give_up_at - now, 0.0)))
        if self._ever_connected:
            self.reconnects += 1
        self._ever_connected = True
        self._acked_at = time.monotonic()

    def _try_to_connect(self) -> str:
        """Return the reason why it did not work; an empty string if it did."""
        connection, client = self.connection, self._client
        self._lost_because = ""
        try:
            sock = BufferedSocket(open_socket(connection, self._handshake_s))
            client.connect_over(sock, connection)
            until = time.monotonic() + self._handshake_s
            while not self._connected and client.socket() is not None and not self._refused:
                if time.monotonic() >= until:
                    return "it accepts connections but does not speak MQTT"
                self._check_stop()
                self._exchange(0.1)
        except ssl.SSLCertVerificationError as fault:
            raise TransportError(
                f"The certificate of {connection} cannot be trusted: {fault.verify_message}.",
                hint="Name the authority that signed it with --cafile.",
            ) from fault
        except (OSError, ValueError) as fault:
            return explain(fault)
        if self._refused:
            raise TransportError(
                f"The broker at {connection} refused the connection: {self._refused}.",
                hint=_HINTS.get(self._refusal_code, "The broker's log may say more."),
            )
        return "" if self._connected else self._lost_because or "it closed the connection"

    def _check_stop(self) -> None:
        if self._should_stop():
            raise StopPublishing

    def _check_ack_timeout(self) -> None:
        if self._events_by_mid and time.monotonic() - self._acked_at > self._ack_timeout_s:
            raise TransportError(
                f"The broker at {self.connection} has acknowledged nothing for {self._ack_timeout_s:g} s, "
                f"with {self.in_flight} messages on the way.{self._acked_so_far()}",
                hint="Look at the broker's log.",
            )

    def _acked_so_far(self) -> str:
        return f" {self.events_acked} events were acknowledged." if self._ever_connected else ""

    def _connect_hint(self) -> str:
        if self._ever_connected:
            return f"Go on later with --skip raised by {self.events_acked}."
        older = " One that does not know MQTT 5 needs --protocol 3.1.1." if self.connection.protocol == "5" else ""
        return f"Is the broker running, and is the address right?{older}"

    # --- Callbacks of paho's: they only record, as an exception in them would leave paho in an undefined state ----

    def _on_connect(
        self,
        _client: mqtt.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if not reason.is_failure:
            self._connected = True
            # No more messages may be on the way than the broker receives at a time (MQTT 5, section 3.3.4).
            self.window = min(self.window, getattr(properties, "ReceiveMaximum", self.window))
        elif reason.value in _TEMPORARY_REFUSALS:
            self._lost_because = str(reason)
        else:
            self._refused, self._refusal_code = str(reason), reason.value

    def _on_disconnect(
        self, _client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self._connected = False
        self._lost_because = self._lost_because or str(reason)

    def _on_publish(
        self, _client: mqtt.Client, _data: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        events = self._events_by_mid.pop(mid, None)
        if events is None:
            return
        if reason.is_failure:
            self._refused = str(reason)
            return
        if reason.value == _NO_SUBSCRIBER:
            self.messages_unheard += 1
        self.events_acked += events
        self.messages_acked += 1
        self._acked_at = time.monotonic()
        self._lost_at = None
