"""Messages to an MQTT broker, fast and without losing one: the sending half of a replay.

One thread does everything: paho's `loop_read`, `loop_write` and `loop_misc` are called between messages,
which is faster than handing every message to a thread of paho's own.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import select
import socket
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, cast

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.errors import TransportError
from edgedescent_mqtt.buffered_socket import BufferedSocket
from edgedescent_sims.publish.connection import Connection
from edgedescent_sims.sources import Notify, ignore

# Reason codes (MQTT 5, section 2.4) after which trying again may help: unavailable, busy, rate exceeded.
_PASSING_REFUSALS = frozenset({0x88, 0x89, 0x9F})
_NO_SUBSCRIBER = 0x10

_HINTS = {
    0x84: "Try --protocol 3.1.1.",
    0x86: "Are --username and --password-file right?",
    0x87: "Are --username and --password-file right, and may this user connect?",
}

_FLUSH_MESSAGES = 32
_FLUSH_S = 0.005
_NOTICE_S = 5.0
_HANDSHAKE_MIN_S = 1.0
_HANDSHAKE_MAX_S = 5.0
_STOP_DRAIN_S = 2.0


class StopPublishing(Exception):  # noqa: N818 -- a request, not a fault
    """Raised out of a wait when the caller's `should_stop` says so."""


class Publisher:
    """Publishes to one topic, with at most `window` messages that the broker has not acknowledged.

    A lost connection is made again, and at QoS 1 whatever was not acknowledged is sent again: a message can
    arrive twice but not get lost. Use it in a `with` block: entering connects, leaving says goodbye.

    Args:
        connection: Where to and how.
        topic: The topic, without wildcards.
        qos: 0 or 1.
        window: The most messages on the way at a time; a broker that speaks MQTT 5 may lower it.
        connect_timeout_s: How long a missing broker is waited for, at the start and after each loss.
        ack_timeout_s: How long to wait for the next acknowledgement before giving up.
        notify: Called with one line for each thing worth telling a person.
        should_stop: Asked during waits; once it returns True, `StopPublishing` is raised.

    Raises:
        TransportError: No broker answers in time, or it refuses the client or a message.
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
        """Messages that the broker took although nobody was subscribed (known with MQTT 5 only)."""
        self.reconnects = 0
        self._connect_timeout_s = connect_timeout_s
        self._ack_timeout_s = ack_timeout_s
        self._handshake_s = min(max(connect_timeout_s, _HANDSHAKE_MIN_S), _HANDSHAKE_MAX_S)
        self._notify = notify
        self._should_stop = should_stop
        self._events_by_mid: dict[int, int] = {}
        self._unflushed = 0
        self._flushed_at = 0.0
        self._heard_at = 0.0
        self._lost_at: float | None = None
        self._connected = False
        self._ever_connected = False
        self._lost_because = ""
        self._refused = ""
        self._refusal = 0
        self._client = self._make_client()

    def __enter__(self) -> Self:
        """Connect, waiting for the broker if need be."""
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
        """Disconnect; what is not acknowledged by now stays so."""
        self._client.disconnect()
        self._client.loop_write()

    @property
    def in_flight(self) -> int:
        """How many messages the broker has not acknowledged."""
        return len(self._events_by_mid)

    def send(self, payload: bytes, events: int = 1, topic: str | None = None) -> None:
        """Publish one message that holds so many events, waiting for room in the window; `topic` for another topic.

        Raises:
            TransportError: The broker is gone for too long, or refuses the message.
            StopPublishing: The caller asked to stop while this waited; the message was not sent.
        """
        self._heed_stop()
        if not self._connected:
            self.pump(0.0)
        while len(self._events_by_mid) >= self.window:
            self.pump(0.1)
            self._check_patience()
        while True:
            if not self._events_by_mid:
                self._heard_at = time.monotonic()  # Nothing was awaited until now.
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
        """Write and read what is there, and make a lost connection again; waits up to `timeout_s`.

        Raises:
            TransportError: The broker is gone for too long, or refused a message.
            StopPublishing: The caller asked to stop.
        """
        if timeout_s > 0:
            self._heed_stop()
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
            TransportError: It acknowledges nothing for `ack_timeout_s`, or is gone for too long.
            StopPublishing: The caller asked to stop.
        """
        while self._events_by_mid or self._unwritten():
            self.pump(0.1)
            self._check_patience()

    def drain_briefly(self) -> None:
        """Wait a moment for what is on the way, after a request to stop; never reconnects."""
        until = time.monotonic() + _STOP_DRAIN_S
        while self._connected and (self._events_by_mid or self._unwritten()) and time.monotonic() < until:
            self._exchange(0.05)

    # -- the network

    def _make_client(self) -> _Client:
        connection = self.connection
        protocol = mqtt.MQTTv5 if connection.protocol == "5" else mqtt.MQTTv311
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"edgedescent-replay-{secrets.token_hex(4)}",
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.use(connection, self._handshake_s)
        client.max_inflight_messages_set(self.window)
        if connection.username is not None:
            client.username_pw_set(connection.username, connection.password)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # With this set, paho leaves writing to us instead of doing it in the middle of `publish`.
        client.on_socket_register_write = lambda _client, _userdata, _sock: None
        return client

    def _exchange(self, timeout_s: float) -> None:
        client = self._client
        client.loop_write()
        sock = self._socket()
        if sock is None:
            return
        _flush(sock)
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if sock.unsent else 0))
        ready = poll.poll(0 if sock.pending() else timeout_s * 1000)
        if ready or sock.pending():
            _flush(sock)
            client.loop_read()
            # paho stops after a number of packets; what is left in the buffer would not wake the next poll.
            while sock.pending() and self._socket() is sock:
                client.loop_read()
        client.loop_misc()

    def _socket(self) -> BufferedSocket | None:
        return cast(BufferedSocket | None, self._client.socket())

    def _unwritten(self) -> bool:
        sock = self._socket()
        return self._client.want_write() or (sock is not None and sock.unsent > 0)

    def _connect(self) -> None:
        """Connect or connect again, telling the user why it takes so long."""
        now = time.monotonic()
        if self._lost_at is None:
            # The clock goes on until an acknowledgement proves that the new connection is of use.
            self._lost_at = now
        give_up_at = self._lost_at + self._connect_timeout_s
        notice_at, delay_s = now, 0.1
        if self._ever_connected:
            self._notify(f"The connection to {self.connection} was lost ({self._lost_because}). Reconnecting.")
            notice_at += 1.0
        while True:
            self._heed_stop()
            reason = self._try_to_connect()
            if not reason:
                break
            now = time.monotonic()
            if now >= give_up_at:
                raise TransportError(
                    f"No MQTT broker answers at {self.connection}: {reason}.{self._account()}",
                    hint=self._advice(),
                )
            if now >= notice_at:
                left_s = give_up_at - now
                self._notify(f"Waiting for the broker at {self.connection} for up to {left_s:.0f} s: {reason}.")
                notice_at = now + _NOTICE_S
            # Jitter keeps many clients of one restarted broker from coming back in step.
            time.sleep(min(delay_s * random.uniform(0.5, 1.0), max(give_up_at - now, 0.0)))  # noqa: S311
            delay_s = min(delay_s * 2, 1.0)
        if self._ever_connected:
            self.reconnects += 1
        self._ever_connected = True
        self._heard_at = time.monotonic()

    def _try_to_connect(self) -> str:
        """Return why it did not work; an empty string if it did."""
        connection, client = self.connection, self._client
        self._lost_because = ""
        try:
            client.connect(connection.host, connection.port)
            until = time.monotonic() + self._handshake_s
            while not self._connected and client.socket() is not None and not self._refused:
                if time.monotonic() >= until:
                    return "it accepts connections but does not speak MQTT"
                self._heed_stop()
                self._exchange(0.1)
        except ssl.SSLCertVerificationError as fault:
            raise TransportError(
                f"The certificate of {connection} cannot be trusted: {fault.verify_message}.",
                hint="Name the authority that signed it with --cafile.",
            ) from fault
        except OSError as fault:
            return fault.strerror or str(fault) or type(fault).__name__
        if self._refused:
            raise TransportError(
                f"The broker at {connection} refused the connection: {self._refused}.",
                hint=_HINTS.get(self._refusal, "The broker's log may say more."),
            )
        return "" if self._connected else self._lost_because or "it closed the connection"

    def _heed_stop(self) -> None:
        if self._should_stop():
            raise StopPublishing

    def _check_patience(self) -> None:
        if self._events_by_mid and time.monotonic() - self._heard_at > self._ack_timeout_s:
            raise TransportError(
                f"The broker at {self.connection} has acknowledged nothing for {self._ack_timeout_s:g} s, "
                f"with {self.in_flight} messages on the way.{self._account()}",
                hint="Look at the broker's log.",
            )

    def _account(self) -> str:
        return f" {self.events_acked} events were acknowledged." if self._ever_connected else ""

    def _advice(self) -> str:
        if self._ever_connected:
            return f"Go on later with --skip raised by {self.events_acked}."
        older = " One that does not know MQTT 5 needs --protocol 3.1.1." if self.connection.protocol == "5" else ""
        return f"Is the broker running, and is the address right?{older}"

    # -- paho's callbacks only take note: an exception in them would leave paho in an undefined state

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
        elif reason.value in _PASSING_REFUSALS:
            self._lost_because = str(reason)
        else:
            self._refused, self._refusal = str(reason), reason.value

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
        self._heard_at = time.monotonic()
        self._lost_at = None


def _flush(sock: BufferedSocket) -> None:
    # A lost connection is left to the read that follows: only through that does paho notice it.
    with contextlib.suppress(OSError):
        sock.flush()


class _Client(mqtt.Client):
    """paho's client on a buffered socket; paho puts its WebSockets in at this very place."""

    def use(self, connection: Connection, timeout_s: float) -> None:
        """Set where connections go, with how long a wait."""
        self._address = (connection.host, connection.port)
        self._timeout_s = timeout_s
        self._context = connection.tls_context() if connection.tls else None

    def _create_socket(self) -> mqtt.SocketLike:
        sock = socket.create_connection(self._address, self._timeout_s)
        # Acknowledgements of small messages must not wait for each other.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            sock = self._context.wrap_socket(sock, server_hostname=self._address[0])
        return cast("mqtt.SocketLike", BufferedSocket(sock))
