"""The transport that the daemon drives: connect, read, acknowledge, publish, reconnect."""

from __future__ import annotations

import json
import logging
import random
import select
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTErrorCode, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.adapters import Delivery
from edgedescent.errors import ConfigError
from edgedescent_mqtt.buffered_socket import BufferedSocket
from edgedescent_mqtt.config import Broker

log = logging.getLogger(__name__)

PACKET_OVERHEAD_BYTES = 65_536
"""Room for topic and properties beside the largest payload."""


class _Client(Client):
    """paho's client over a buffered socket.

    paho has no public way to give it a socket of one's own; this is the one place it makes them.
    """

    def _create_socket(self) -> Any:
        return BufferedSocket(cast("socket.socket | ssl.SSLSocket", super()._create_socket()))


class MqttAdapter:
    """A connection to an MQTT broker with a persistent session.

    Callbacks only take notes: everything happens in `poll`, in the caller's thread. Acknowledgements carry the
    connection they belong to, because the broker uses packet ids again on the next one.
    """

    Config: ClassVar[type[Broker]] = Broker

    def __init__(
        self, config: Broker, *, device: str, topics: Sequence[str], status_topic: str, bytes_max: int
    ) -> None:
        self._config = config
        self._topics = list(topics)
        self._status_topic = status_topic
        self._inbox: list[Delivery] = []
        self._accepted = False
        self._generation = 0
        self._failures = 0
        self._next_attempt = 0.0
        self._closing = False
        five = config.protocol == "5"
        self._properties: Properties | None = None
        if five:
            self._properties = Properties(PacketTypes.CONNECT)
            self._properties.SessionExpiryInterval = config.session_expiry_s
            self._properties.ReceiveMaximum = config.receive_max
            self._properties.MaximumPacketSize = bytes_max + PACKET_OVERHEAD_BYTES
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id or f"edgedescent-{device}",
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else False,
            manual_ack=True,
        )
        client = self._client
        client.connect_timeout = config.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        # With this callback set, paho queues what it has to send and leaves it to us to write it all in one go.
        client.on_socket_register_write = lambda *_: None
        client.max_queued_messages_set(100_000)
        if config.tls is not None:
            client.tls_set_context(config.tls.context())
        config.password()
        client.will_set(status_topic, json.dumps({"state": "offline"}), qos=1, retain=True)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._accepted

    # --- The loop -------------------------------------------------------------------------------------------------

    def poll(self, timeout_s: float) -> list[Delivery]:
        """Read and write what is due; return the messages that arrived, waiting at most `timeout_s` for the first."""
        sock = self._socket()
        if sock is None:
            if not self._reconnect(timeout_s):
                return []
            sock = self._socket()
        if sock is not None:
            self._write(sock)
            self._read(sock, timeout_s)
            self._client.loop_misc()
        arrived, self._inbox = self._inbox, []
        return arrived

    def _socket(self) -> BufferedSocket | None:
        return cast("BufferedSocket | None", self._client.socket())

    def _reconnect(self, timeout_s: float) -> bool:
        """Connect if it is time to; waits for that time at most `timeout_s`."""
        wait = self._next_attempt - time.monotonic()
        if wait > 0:
            time.sleep(min(wait, timeout_s))
            if wait > timeout_s:
                return False
        config = self._config
        try:
            self._client.username_pw_set(config.username, config.password())
            self._client.connect(
                config.host,
                config.port_in_use,
                keepalive=config.keepalive_s,
                # paho's default would wipe the session, and with it the events that wait for us.
                **({"clean_start": False, "properties": self._properties} if self._properties else {}),
            )
        except (OSError, ConfigError) as error:
            self._failed(str(error) or type(error).__name__)
            return False
        return True

    def _failed(self, reason: str) -> None:
        config = self._config
        delay = min(config.reconnect_min_s * 2**self._failures, config.reconnect_max_s)
        # Jitter keeps a fleet of devices from all coming back in the same instant.
        delay *= random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret depends on it
        self._failures = min(self._failures + 1, 30)
        self._next_attempt = time.monotonic() + delay
        log.warning(
            "No connection to the broker at %s:%d: %s. Next attempt in %.1f s.",
            config.host,
            config.port_in_use,
            reason,
            delay,
        )

    def _read(self, sock: BufferedSocket, timeout_s: float) -> None:
        if not sock.pending():
            writers = [sock] if sock.unsent else []
            readable, writable, _ = select.select([sock], writers, [], timeout_s)
            if writable:
                self._flush(sock)
            if not readable:
                return
        # One pass takes what one read of the socket brought, so that a fast publisher cannot keep us here.
        while self._client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and sock.buffered:
            if len(self._inbox) >= self._config.receive_max:
                return

    def _write(self, sock: BufferedSocket) -> None:
        if self._client.want_write():
            self._client.loop_write()
        self._flush(sock)

    def _flush(self, sock: BufferedSocket) -> None:
        try:
            sock.flush()
        except OSError as error:
            # The next read will meet the same lost connection and report it to paho.
            log.debug("Sending failed: %s", error)

    # --- What the daemon asks for ---------------------------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that it may forget these; those of an earlier connection are left out."""
        for delivery in deliveries:
            if delivery.qos and delivery.generation == self._generation and self._accepted:
                self._client.ack(delivery.packet_id, delivery.qos)
        if (sock := self._socket()) is not None:
            self._write(sock)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Queue a message; False where there is no connection to send it over."""
        if not self._accepted:
            return False
        qos = 1 if retain else self._config.publish_qos
        return self._client.publish(topic, payload, qos=qos, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def close(self, timeout_s: float) -> None:
        """Say goodbye, send what is queued, and disconnect.

        Acknowledgements are written out before the goodbye: paho would drop whatever is queued behind it.
        """
        self._closing = True
        deadline = time.monotonic() + timeout_s
        self.publish(self._status_topic, json.dumps({"state": "stopped"}).encode(), retain=True)
        self._drain(deadline)
        self._client.disconnect()
        self._drain(deadline)

    def _drain(self, deadline: float) -> None:
        while time.monotonic() < deadline and (sock := self._socket()) is not None:
            self._write(sock)
            if not self._client.want_write() and not sock.unsent:
                return
            select.select([], [sock], [], 0.1)

    # --- Callbacks: they take notes -------------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            hint = ""
            if "protocol" in str(reason).lower():
                hint = ' (set broker.protocol = "3.1.1")'
            self._failed(f"it refused us: {reason}{hint}")
            return
        self._generation += 1
        self._accepted = True
        self._failures = 0
        log.info(
            "Connected to %s:%d, %s session.",
            self._config.host,
            self._config.port_in_use,
            "continuing the" if flags.session_present else "with a new",
        )
        client.subscribe([(topic, self._config.qos) for topic in self._topics])
        client.publish(self._status_topic, json.dumps({"state": "online"}), qos=1, retain=True)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        was_accepted, self._accepted = self._accepted, False
        if was_accepted and not self._closing:
            self._failed(f"the connection ended: {reason}")
        elif self._next_attempt <= time.monotonic() and not self._closing:
            self._failed(f"the broker ended the connection: {reason}")

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for topic, reason in zip(self._topics, reasons, strict=False):
            if reason.is_failure:
                log.error("The broker refused the subscription to %r: %s. Check its access rules.", topic, reason)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"
        self._inbox.append(
            Delivery(topic, bytes(message.payload), message.mid, message.qos, message.dup, self._generation)
        )
