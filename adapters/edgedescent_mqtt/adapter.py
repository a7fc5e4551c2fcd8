"""MQTT transport of the daemon: connect, read, acknowledge, publish, reconnect."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.interfaces import AdminClient, CheckResult, Delivery, still_valid
from edgedescent_mqtt.client import MqttClient
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.connect import Connector
from edgedescent_mqtt.limits import BrokerLimits
from edgedescent_mqtt.packet_socket import PacketSocket
from edgedescent_mqtt.packets import MALFORMED, PUBACK_BYTES, acknowledgements
from edgedescent_mqtt.publisher import Publisher
from edgedescent_mqtt.reasons import SESSION_TAKEN_OVER, ending, hint, worded
from edgedescent_mqtt.receipts import Receipts
from edgedescent_mqtt.received import to_delivery
from edgedescent_mqtt.screen import Screen
from edgedescent_mqtt.session_record import SessionRecord
from edgedescent_mqtt.subscriptions import Subscriptions
from edgedescent_mqtt.topics import check_topics, is_response_topic
from edgedescent_mqtt.under_way import UnderWay

log = logging.getLogger(__name__)

INBOX_BYTES_MAX = 262_144
"""Most bytes that one poll takes in; the rest waits with the broker."""
WRITE_BYTES = 65_536
"""Size of the queued payloads at which `publish` hands them to the socket."""
STABLE_S = 10.0
"""Age at which a connection counts as a good one: after it, the next delay is the shortest again."""

COUNTS = dict.fromkeys(
    (
        "sessions_lost",
        "sessions_taken_over",
        "messages_unasked",
        "messages_forgotten",
        "publications_refused",
    ),
    0,
)
"""Counters of what the broker did, from the start of the process."""


class MqttAdapter:
    """Connection to an MQTT broker with a persistent session.

    Callbacks only record: everything happens in `poll`, in the caller's thread. Acknowledgements carry the number of
    the connection they belong to, because the broker uses packet ids again on the next one.

    paho is in charge of the connection: it logs in, subscribes, pings, and sends what has to be confirmed. Events,
    their acknowledgements and messages with QoS 0 bypass it, which is several times faster.

    Nothing that a broker or a network does is raised: it is logged and tried again, because passwords, certificates
    and networks get repaired while the device waits.

    Args:
        config: The ``[broker]`` table.
        device: Name of the device.
        topics: Topic filters of the events, which `check_topics` has accepted.
        status_topic: Topic of the status and the last will.
        bytes_max: Largest payload to receive.

    Raises:
        ConfigError: If a configured file cannot be read.
    """

    Config: ClassVar[type[BrokerConfig]] = BrokerConfig
    check_topics = staticmethod(check_topics)

    # The daemon itself needs neither of these, and saves the memory that they take.

    @staticmethod
    def admin_client(config: BrokerConfig, *, device: str, purpose: str, bytes_max: int) -> AdminClient:
        """Make a client that the operating commands connect with."""
        from edgedescent_mqtt.admin_client import MqttAdminClient

        return MqttAdminClient(config, device=device, purpose=purpose, bytes_max=bytes_max)

    @staticmethod
    def check_broker(
        config: BrokerConfig,
        *,
        device: str,
        topics: Sequence[str],
        outputs: Sequence[str],
        bytes_max: int,
        publish: bool,
    ) -> Iterator[CheckResult]:
        """Check that the broker grants what the daemon needs."""
        from edgedescent_mqtt.check_broker import check_broker

        return check_broker(config, device=device, topics=topics, outputs=outputs, bytes_max=bytes_max, publish=publish)

    def __init__(
        self, config: BrokerConfig, *, device: str, topics: Sequence[str], status_topic: str, bytes_max: int
    ) -> None:
        self._config = config
        self._client_id = config.client_id_of(device)
        self._topics = tuple(topics)
        self._counts = Counter(COUNTS)
        self._record = SessionRecord(config.address, self._client_id)
        self._subscriptions = Subscriptions(topics, config)
        self._screen = Screen(topics, self._counts)
        self._connector = Connector(config)
        self._inbox: list[Delivery] = []
        self._inbox_bytes = 0
        self._generation = 0
        """Number of the connection."""
        self._up = False
        """True while there is a connection, accepted or not, whose end was not logged."""
        self._accepted = False
        self._since = 0.0
        """Time when the connection was made; once the broker has accepted it, the time of that."""
        self._ended: Literal["", "closed", "taken over"] = ""
        """End of the last connection, if the broker or another client with the same id caused it."""
        self._closing = False
        self._to_subscribe = False
        """True until the subscriptions were asked for over a new connection."""
        self._to_greet = False
        """True until the status was sent over a new connection."""
        self._queued_bytes = 0
        self._five = config.protocol == "5"
        session = config.session(payload_bytes_max=bytes_max, resume=True, expiry_s=config.session_expiry_s)
        self._client = client = MqttClient(self._client_id, config.protocol, session, manual_ack=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._subscriptions.on_subscribe
        client.on_unsubscribe = self._subscriptions.on_unsubscribe
        # With this callback set, paho queues what it has to send, so that it can be written all at once.
        client.on_socket_register_write = lambda *_: None
        self._limits = BrokerLimits(config)
        self._receipts = Receipts()
        self._under_way = UnderWay(config, self._counts)
        self._publisher = Publisher(client, config, self._limits, status_topic, self._counts)
        # Files that cannot be used are reported before anything starts.
        config.connection()

    @property
    def connected(self) -> bool:
        """True once the broker has accepted the connection."""
        return self._accepted

    @property
    def window(self) -> int | None:
        """Most events that may be under way unacknowledged; None with QoS 0."""
        return self._config.receive_max if self._config.qos else None

    @property
    def memory(self) -> str:
        """Record of the session that the broker keeps."""
        return self._record.text

    @property
    def counts(self) -> Mapping[str, int]:
        """Counters of what the broker did, since the start."""
        return self._counts

    def resume(self, memory: str, last_packet_id: int | None, packet_ids: Sequence[int]) -> None:
        """Continue with the record of the session that an earlier process had, behind the last event that it saved."""
        self._under_way.resume(last_packet_id, packet_ids)
        self._record = SessionRecord.load(memory, self._config.address, self._client_id)

    # --- The loop -------------------------------------------------------------------------------------------------

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Read and write what is due; return the messages that arrived, waiting at most `timeout_s` for the first.

        Args:
            timeout_s: Longest time to wait.
            take: False leaves messages with the broker: nothing is read, and pings alone keep the connection.
        """
        sock = self._socket() or self._connect(timeout_s)
        if sock is not None:
            if self._accepted and self._to_subscribe and take:
                # Not before this poll: by now, what the record of the session says was saved, unless the disk is full.
                self._to_subscribe = False
                self._subscriptions.start(self._client)
            self._write(sock)
            # Until the broker has accepted the connection, there is nothing to read but its answer.
            if take or not self._accepted:
                readable = sock.wait(timeout_s)
                sock.flush()
                if readable or sock.fault is not None:
                    self._read(sock)
                self._maintain(sock)
            else:
                self._hold(sock, timeout_s)
        arrived, self._inbox, self._inbox_bytes = self._inbox, [], 0
        return arrived

    def _socket(self) -> PacketSocket | None:
        # paho has no other sockets than those that `_connect` made. A call of `cast` would take longer than this one.
        return self._client.socket()  # type: ignore[return-value]

    def _connect(self, timeout_s: float) -> PacketSocket | None:
        """Connect if it is time to, within `timeout_s`; the next call continues where this one stopped."""
        opened = self._connector.poll(timeout_s)
        if opened is None:
            return None
        sock, connection = PacketSocket(opened[0]), opened[1]
        self._publisher.prepare()
        self._client.connect_over(sock, connection)
        self._up, self._since = True, time.monotonic()
        return sock

    def _failed(self, reason: str) -> None:
        if self._accepted and time.monotonic() - self._since > STABLE_S:
            self._connector.reset()
        self._up = self._accepted = False
        self._connector.failed(reason)

    def _read(self, sock: PacketSocket) -> None:
        """Take what has arrived, within bounds, so that a fast publisher cannot hold up the loop."""
        room = INBOX_BYTES_MAX
        try:
            while room > 0:
                # As much as possible at once: a turn costs more than a message. TLS gives 16 KiB at a time.
                arrived = sock.read()
                while (more := self._take_events(sock)) and sock.grant():
                    if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                        return
                    self._publisher.on_answered(sock.pings_answered)
                    self._receipts.on_answered(sock)
                if not arrived or not more or not sock.may_have_more:
                    return
                room -= arrived
        except MALFORMED as error:
            self._drop(sock, f"it does not speak MQTT ({error})")

    def _take_events(self, sock: PacketSocket) -> bool:
        """Take the events that are next; returns True if there is room for more."""
        if not self._accepted:
            return True
        count_max, bytes_max = self._config.receive_max - len(self._inbox), INBOX_BYTES_MAX - self._inbox_bytes
        before = sock.buffered
        events = sock.take_events(self._generation, five=self._five, count_max=count_max, bytes_max=bytes_max)
        taken = before - sock.buffered
        # While closing they are not acknowledged: the broker keeps them for the next connection.
        if not self._closing:
            events = self._screen.mark(events)
            self._inbox += self._under_way.on_received(events)
            self._inbox_bytes += taken
        return len(events) < count_max and taken < bytes_max

    def _write(self, sock: PacketSocket) -> None:
        self._queued_bytes = 0
        if self._client.want_write():
            self._client.loop_write()
        sock.flush()

    def _drop(self, sock: PacketSocket, reason: str) -> None:
        """End a connection that paho still uses, by a DISCONNECT that cannot be sent.

        A failing read would do as well, but after a malformed packet paho would meet that packet again.
        """
        sock.fail(ConnectionError(reason))
        self._client.disconnect()
        self._client.loop_write()

    def _hold(self, sock: PacketSocket, timeout_s: float) -> None:
        """Keep a connection of which nothing is read: send pings and notice its end.

        paho is not asked to ping: the answer waits behind events, and paho would end the connection.
        """
        if sock.wait_for_end(timeout_s):
            self._read(sock)
        elif time.monotonic() - sock.sent_at >= self._limits.keepalive_s / 2:
            sock.ping()
        sock.flush()

    def _maintain(self, sock: PacketSocket) -> None:
        """Do what is due by the clock: pings, the status, refused subscriptions, the wait for CONNACK."""
        # paho does not see what bypasses it: it is asked to ping only when there is quiet in either direction.
        if time.monotonic() - min(sock.received_at, sock.sent_at) >= self._limits.keepalive_s / 2:
            self._client.loop_misc()
        if not self._up:
            return
        if self._accepted:
            # After the messages of an earlier connection that paho sends again: those may hold another status, and the
            # broker retains the last one.
            if self._to_greet and self._publisher.may_greet:
                self._to_greet = False
                self._publisher.greet(sock)
            if not self._to_subscribe:
                self._subscriptions.retry(self._client)
        elif time.monotonic() - self._since > self._config.connect_timeout_s:
            self._drop(sock, f"it accepts connections but does not answer{self._protocol_hint}")

    @property
    def _protocol_hint(self) -> str:
        return ' (if it knows only MQTT 3.1.1, set broker.protocol = "3.1.1")' if self._five else ""

    # --- Requests of the daemon -----------------------------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[Delivery]) -> bool:
        """Acknowledge deliveries, so that the broker forgets them; those of an earlier connection are left out.

        Returns:
            True if none was left out.
        """
        sock = self._socket()
        if sock is None or not self._accepted:
            self._receipts.on_sent(None)
            return False
        valid = still_valid(deliveries, self._generation)
        packets = acknowledgements(delivery.packet_id for delivery in valid if delivery.qos == 1)
        sock.queue(packets)
        self._under_way.on_acknowledged(len(packets) // PUBACK_BYTES)
        for delivery in valid:
            if delivery.qos == 2:
                self._client.ack(delivery.packet_id, 2)
        self._receipts.on_sent(sock if self._config.qos else None, len(valid))
        self._write(sock)
        return len(valid) == len(deliveries)

    @property
    def confirmed(self) -> int:
        """Number of the last call of `acknowledge` that the broker is known to have handled."""
        return self._receipts.confirmed

    def session(self, generation: int) -> int:  # noqa: ARG002
        """Return the number of the session: all deliveries of one poll belong to it."""
        return self._record.session

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes = b"") -> bool:
        """Queue a message; returns False where there is no connection, or too much waits to be sent already."""
        sock = self._socket()
        if not self._accepted or sock is None:
            return False
        if not self._publisher.publish(sock, topic, payload, retain=retain, correlation=correlation):
            return False
        self._queued_bytes += len(payload)
        if self._queued_bytes >= WRITE_BYTES:
            self._write(sock)
        return True

    def publish_many(self, topic: str, payloads: Sequence[bytes]) -> int:
        """Send messages to one topic; returns the number of those that were sent or queued, the first ones."""
        sock = self._socket()
        if not self._accepted or sock is None:
            return 0
        n_queued = self._publisher.publish_many(sock, topic, payloads)
        # Those who wait for them need not wait for what else a turn of the loop does before the next poll.
        self._write(sock)
        return n_queued

    def is_response_topic(self, topic: str) -> bool:
        """Return True if an answer can be published to a topic that a client names, and does not come back."""
        return is_response_topic(topic, self._topics)

    def payload_bytes_max(self, topic: str) -> int:
        """Return the largest payload that the broker takes on a topic."""
        return self._limits.payload_bytes_max(topic)

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Send what is queued and the status "stopped", and disconnect; returns True once that is done.

        A broker handles packets in order and closes the connection at the last one: that proves that it has every
        acknowledgement sent before. Where it does not within `timeout_s`, the connection is cut; if the status has not
        reached the broker by then, it publishes the last will.

        Args:
            timeout_s: Longest time to wait for the broker.
            if_quiet: Return False instead where something has arrived since the last poll or is unconfirmed.
        """
        until = time.monotonic() + timeout_s
        unconfirmed = self._publisher.unconfirmed
        if not if_quiet:
            self._closing = True
            self._wait_for_confirmations(until)
        self._connector.close()
        if (sock := self._socket()) is None:
            return True
        self._write(sock)
        unconfirmed.forget_confirmed()
        # Nothing is done between this look and the last packets: what the broker sends meanwhile, it must send again.
        if if_quiet and (unconfirmed or sock.wait(0.0)):
            return False
        if self._accepted and not unconfirmed:
            sock.queue(self._publisher.farewell())
            if sock.linger(until - time.monotonic()):
                self._receipts.on_goodbye()
        self._closing = True
        self._drop(sock, "the daemon has disconnected")
        return True

    def _wait_for_confirmations(self, until: float) -> None:
        while (sock := self._socket()) is not None and self._accepted:
            self._write(sock)
            self._publisher.unconfirmed.forget_confirmed()
            if not self._publisher.unconfirmed or (left_s := until - time.monotonic()) <= 0:
                return
            if sock.wait(left_s):
                self._read(sock)

    # --- Callbacks: they only record ------------------------------------------------------------------------------

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            adapted = self._limits.on_refused(reason.value)
            self._failed(f"it refused the connection: {worded(reason, properties)}{hint(reason)}{adapted}")
            return
        self._generation += 1
        self._accepted, self._since = True, time.monotonic()
        session = "continuing the" if flags.session_present else "with a new"
        log.info("Connected to %s as %r, %s session.", self._config.address, self._client_id, session)
        self._limits.on_accepted(properties)
        if self._generation == 1 and self._config.qos:
            log.info("Mosquitto drops events beyond 1000 that wait for a device, unless max_queued_messages is raised.")
        self._under_way.on_connected(
            self._record, resumed=flags.session_present, confirmed=self._receipts.events_confirmed
        )
        self._on_session(present=flags.session_present)
        self._ended = ""
        self._receipts.on_connected()
        self._subscriptions.plan(self._record, self._limits)
        self._to_subscribe = self._to_greet = True

    def _on_session(self, *, present: bool) -> None:
        # QoS 0 needs no session, and one that ends with each connection is what was configured.
        config = self._config
        if self._record.begin(present=present) and config.qos and (config.session_expiry_s or not self._five):
            self._counts["sessions_lost"] += 1
            why = " while the daemon was down" if self._generation == 1 else ""
            if self._ended == "taken over":
                why = f", because another client has ended it with the client id {self._client_id!r}"
            elif self._ended == "closed":
                # A broker need not say why it closes a connection, and those for MQTT 3.1.1 cannot.
                why = f" (restarted, or ended by another client with the client id {self._client_id!r}?)"
            log.warning("The broker did not keep the session%s: events sent in the meantime may be lost.", why)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if not self._up or self._closing:
            self._up = self._accepted = False
            return
        code = reason.value if flags.is_disconnect_packet_from_server else None
        self._publisher.on_ended(code)
        why = ending(reason, properties, self._client.opened.fault, told=code is not None)
        if code is not None:
            self._limits.on_refused(code)
        if not self._accepted:
            self._limits.on_closed_early()
            why = why or f"the broker closed it before accepting it{self._protocol_hint}"
        self._ended = "taken over" if code == SESSION_TAKEN_OVER else "" if why else "closed"
        why = why or "the broker closed it"
        if self._ended == "taken over":
            why = f"another client has taken over the session, with the client id {self._client_id!r}"
            self._counts["sessions_taken_over"] += 1
        elif self._accepted and code is None and time.monotonic() - self._since < STABLE_S:
            why += f" (does another client use the id {self._client_id!r}?)"
        self._failed(why)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._closing:
            return  # Not acknowledged: the broker keeps it for the next connection.
        self._inbox += self._screen.mark([to_delivery(message, self._generation)])
        self._inbox_bytes += len(message.payload)
