"""The transport that the daemon drives: connect, read, acknowledge, publish, reconnect."""

from __future__ import annotations

import json
import logging
import struct
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from paho.mqtt.client import (
    MQTT_CLEAN_START_FIRST_ONLY,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    MQTTMessageInfo,
)
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import MQTTException, Properties  # type: ignore[attr-defined]
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent import __version__
from edgedescent.adapters import Delivery, still_valid
from edgedescent.errors import ConfigError
from edgedescent_mqtt.admin_client import MqttAdminClient
from edgedescent_mqtt.buffered_socket import PENDING_BYTES_MAX
from edgedescent_mqtt.check_broker import probe
from edgedescent_mqtt.config import PACKET_OVERHEAD_BYTES, Broker, require_name
from edgedescent_mqtt.connect import ENDED_BY_PAHO, Backoff, ConnectAttempt, explain
from edgedescent_mqtt.packet_socket import PacketSocket
from edgedescent_mqtt.packets import DISCONNECT, PING, Publication, acknowledgements
from edgedescent_mqtt.received import delivered
from edgedescent_mqtt.subscriptions import Subscriptions

log = logging.getLogger(__name__)

INBOX_BYTES_MAX = 262_144
"""How much one poll takes in; the rest waits with the broker."""
WRITE_BYTES = 65_536
"""How much `publish` lets gather before it hands it to the socket."""
UNCONFIRMED_MAX = 10_000
"""How many messages sent with QoS 1 may wait for the broker's confirmation."""
STABLE_S = 10.0
"""A connection that lasted so long was a good one: the next delay is the shortest again."""

_HINTS = {
    0x84: ' (set broker.protocol = "3.1.1")',
    0x85: " (see `broker.client_id`)",
    0x86: " (see `broker.username` and its password)",
    0x87: " (see `broker.username` and its password, and the broker's access rules)",
}
_MALFORMED = (ValueError, IndexError, KeyError, TypeError, struct.error, MQTTException)
"""What paho raises, among others, on packets that are none."""


class _Client(Client):
    """paho's client over a socket of ours that was connected beforehand.

    paho has no public way to give it a socket of one's own; this is the one place it makes them.
    """

    fresh: PacketSocket

    def _create_socket(self) -> Any:
        return self.fresh


class MqttAdapter:
    """A connection to an MQTT broker with a persistent session.

    Callbacks only take notes: everything happens in `poll`, in the caller's thread. Acknowledgements carry the
    connection they belong to, because the broker uses packet ids again on the next one.

    paho has the connection in its care: it connects, subscribes, pings, and sends what has to be confirmed. Events,
    their acknowledgements and answers with QoS 0 go past it, which is several times faster.

    Nothing that a broker or a network does is raised: it is logged and tried again, because whoever could change a
    password or a certificate may well do so while the device waits.

    Raises:
        ConfigError: if a topic cannot be one, or a file that the configuration names cannot be read.
    """

    Config: ClassVar[type[Broker]] = Broker
    visitor: ClassVar[type[MqttAdminClient]] = MqttAdminClient
    probe = staticmethod(probe)

    def __init__(
        self, config: Broker, *, device: str, topics: Sequence[str], status_topic: str, bytes_max: int
    ) -> None:
        self._config = config
        self._client_id = config.client_id or f"edgedescent-{device}"
        self._status_topic = require_name(status_topic, "topics.status")
        self._subscriptions = Subscriptions(topics, config)
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._inbox: list[Delivery] = []
        self._inbox_bytes = 0
        self._generation = 0
        self._attempt: ConnectAttempt | None = None
        self._up = False
        """Whether there is a connection whose end has not been told yet."""
        self._accepted = False
        self._since = 0.0
        """When the connection was made, and later, when the broker accepted it."""
        self._closing = False
        self._to_greet = False
        """Whether the connection is too new to have been told of."""
        self._greeting = 0
        """The packet id of the last message that said we are online."""
        self._queued_bytes = 0
        self._unconfirmed: deque[tuple[MQTTMessageInfo, int]] = deque()
        self._unconfirmed_bytes = 0
        self._five = five = config.protocol == "5"
        self._publish_qos = config.publish_qos
        self._publications: dict[str, Publication] = {}
        self._properties: Properties | None = None
        if five:
            self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            self._properties.SessionExpiryInterval = config.session_expiry_s
            self._properties.ReceiveMaximum = config.receive_max
            self._properties.MaximumPacketSize = bytes_max + PACKET_OVERHEAD_BYTES
        self._client = client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else False,
            # Otherwise paho answers a refusal of 3.1.1 by connecting with 3.1, by itself and at once.
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._subscriptions.on_subscribe
        # With this callback set, paho queues what it has to send and leaves it to us to write it all in one go.
        client.on_socket_register_write = lambda *_: None
        client.max_queued_messages_set(UNCONFIRMED_MAX)
        client.will_set(self._status_topic, _status("offline"), qos=1, retain=True)
        self._exposed = config.exposed_secrets()
        config.password()
        if config.tls is not None:
            config.tls.context()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._accepted

    @property
    def window(self) -> int | None:
        """How many events may be under way unacknowledged; None with QoS 0."""
        return self._config.receive_max if self._config.qos else None

    # --- The loop -------------------------------------------------------------------------------------------------

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Read and write what is due; return the messages that arrived, waiting at most `timeout_s` for the first.

        Args:
            timeout_s: how long to wait.
            take: whether to take messages; otherwise nothing is read, and the connection kept by pings alone.
        """
        sock = self._socket() or self._reach(timeout_s)
        if sock is not None:
            self._write(sock)
            # Until it has accepted us, nothing but its answer is to be read.
            if take or not self._accepted:
                readable = sock.wait(timeout_s)
                sock.flush()
                if readable or sock.fault is not None:
                    self._read(sock)
                self._look_after(sock)
            else:
                self._hold(sock, timeout_s)
        arrived, self._inbox, self._inbox_bytes = self._inbox, [], 0
        return arrived

    def _socket(self) -> PacketSocket | None:
        # Whatever paho has for a socket, we made: a call of `cast` would take longer than this one.
        return self._client.socket()  # type: ignore[return-value]

    def _reach(self, timeout_s: float) -> PacketSocket | None:
        """Connect if it is time to; takes `timeout_s` at most, and goes on where it was when it is called again."""
        config, until = self._config, time.monotonic() + timeout_s
        try:
            while self._exposed:
                log.warning("Every user of this machine can read %s; chmod o-rwx mends that.", self._exposed.pop())
            if self._attempt is None:
                wait_s = self._backoff.left_s
                time.sleep(min(wait_s, timeout_s))
                if wait_s > timeout_s:
                    return None
                # Certificates and password are read anew for each attempt: they may have been replaced.
                self._client.username_pw_set(config.username, config.password())
                context = config.tls.context() if config.tls is not None else None
                self._attempt = ConnectAttempt(
                    config.host, config.port_in_use, timeout_s=config.connect_timeout_s, context=context
                )
            if not self._attempt.wait(until - time.monotonic()):
                return None
            attempt, self._attempt = self._attempt, None
            self._client.fresh = PacketSocket(attempt.result())
        except (OSError, ValueError, ConfigError) as error:
            self._failed(explain(error))
            return None
        self._client.connect(
            config.host,
            config.port_in_use,
            keepalive=config.keepalive_s,
            # paho's default would wipe an MQTT 5 session, and with it the events that wait for us.
            clean_start=False if self._properties else MQTT_CLEAN_START_FIRST_ONLY,
            properties=self._properties,
        )
        self._up, self._since = True, time.monotonic()
        return self._client.fresh

    def _failed(self, reason: str) -> None:
        if self._accepted and time.monotonic() - self._since > STABLE_S:
            self._backoff.reset()
        self._up = self._accepted = False
        delay = self._backoff.failed()
        log.warning(
            "No connection to the broker at %s: %s. Next attempt in %.1f s.", self._config.address, reason, delay
        )

    def _read(self, sock: PacketSocket) -> None:
        """Take what has arrived, within bounds: a fast publisher cannot keep us here."""
        room = INBOX_BYTES_MAX
        try:
            while room > 0:
                # As much as possible at once: a turn costs more than a message. TLS gives 16 KiB at a time.
                arrived = sock.read()
                while (more := self._take_events(sock)) and sock.grant():
                    if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                        return
                if not arrived or not more:
                    return
                room -= arrived
        except _MALFORMED as error:
            self._give_up(sock, f"it does not speak MQTT ({error})")

    def _take_events(self, sock: PacketSocket) -> bool:
        """Take the events that are next; whether there is room for more."""
        if not self._accepted:
            return True
        count_max, bytes_max = self._config.receive_max - len(self._inbox), INBOX_BYTES_MAX - self._inbox_bytes
        before = sock.buffered
        events = sock.take_events(self._generation, five=self._five, count_max=count_max, bytes_max=bytes_max)
        taken = before - sock.buffered
        # While closing they are not acknowledged: the broker keeps them for our return.
        if not self._closing:
            self._inbox += events
            self._inbox_bytes += taken
        return len(events) < count_max and taken < bytes_max

    def _write(self, sock: PacketSocket) -> None:
        self._queued_bytes = 0
        if self._client.want_write():
            self._client.loop_write()
        sock.flush()

    def _give_up(self, sock: PacketSocket, reason: str) -> None:
        """End a connection that paho still takes for a good one, by a goodbye that cannot be sent.

        Reading would do as well but for a malformed packet, over which paho would stumble again.
        """
        sock.fail(ConnectionError(reason))
        self._client.disconnect()
        self._client.loop_write()

    def _hold(self, sock: PacketSocket, timeout_s: float) -> None:
        """Keep a connection of which nothing is read: the broker hears of us, and we of its end.

        paho is not asked to ping: the answer waits behind events, and it would give the connection up.
        """
        if sock.wait_for_end(timeout_s):
            self._read(sock)
        elif time.monotonic() - sock.said_at >= self._config.keepalive_s / 2:
            sock.queue(PING)
        sock.flush()

    def _look_after(self, sock: PacketSocket) -> None:
        """Do what is due by the clock."""
        # paho does not see what goes past it: it is asked to ping only when there is quiet in either direction.
        if time.monotonic() - min(sock.heard_at, sock.said_at) >= self._config.keepalive_s / 2:
            self._client.loop_misc()
        if not self._up:
            return
        if self._accepted:
            self._greet()
            self._subscriptions.renew(self._client)
        elif time.monotonic() - self._since > self._config.connect_timeout_s:
            hint = ' (if it knows only MQTT 3.1.1, set broker.protocol = "3.1.1")' if self._properties else ""
            self._give_up(sock, f"it accepts connections but does not answer{hint}")

    def _greet(self) -> None:
        """Say that we are online, after what paho sends again of what an earlier connection left unconfirmed.

        It may hold another state, and what is retained is what comes last.
        """
        if not self._to_greet:
            return
        self._to_greet = False
        greeting = _status("online", time.time())
        self._greeting = self._client.publish(self._status_topic, greeting, qos=1, retain=True).mid
        self._client.on_publish = self._on_publish

    # --- What the daemon asks for ---------------------------------------------------------------------------------

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that it may forget these; those of an earlier connection are left out."""
        sock = self._socket()
        if sock is None or not self._accepted:
            return
        valid = still_valid(deliveries, self._generation)
        sock.queue(acknowledgements(delivery.packet_id for delivery in valid if delivery.qos == 1))
        for delivery in valid:
            if delivery.qos == 2:
                self._client.ack(delivery.packet_id, 2)
        self._write(sock)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Queue a message; False where there is no connection to send it over, or too much waits for it already."""
        sock = self._socket()
        if not self._accepted or sock is None:
            return False
        # What is retained replaces what was said before, and is small and rare: it always finds room.
        if not retain and sock.unsent >= PENDING_BYTES_MAX:
            return False
        if retain or self._publish_qos:
            self._forget_confirmed()
            if not retain and self._unconfirmed_bytes >= PENDING_BYTES_MAX:
                return False
            info = self._client.publish(topic, payload, qos=1, retain=retain)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            self._unconfirmed.append((info, len(payload)))
            self._unconfirmed_bytes += len(payload)
        else:
            publication = self._publications.get(topic)
            if publication is None:
                publication = self._publications[topic] = Publication(topic, five=self._five)
            sock.queue(publication.packet(payload))
        self._queued_bytes += len(payload)
        if self._queued_bytes >= WRITE_BYTES:
            self._write(sock)
        return True

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Send what is queued, say goodbye, and disconnect.

        A broker takes packets in order and closes the connection at the last one: that proves that it has every
        acknowledgement sent before. Where it does not in time, the connection is cut; should the goodbye not have
        reached it, it tells of that with the last will.
        """
        until = time.monotonic() + timeout_s
        goodbye = Publication(self._status_topic, five=self._five, retain=True)
        last = goodbye.packet(_status("stopped", time.time())) + DISCONNECT
        if not if_quiet:
            self._closing = True
            self._wait_for_confirmations(until)
        if self._attempt is not None:
            self._attempt.abandon()
        if (sock := self._socket()) is None:
            return True
        self._write(sock)
        self._forget_confirmed()
        # Nothing is done between this look and the goodbye: what the broker sends meanwhile, it must send again.
        if if_quiet and (self._unconfirmed or sock.wait(0.0)):
            return False
        if self._accepted and not self._unconfirmed:
            sock.queue(last)
            sock.linger(until - time.monotonic())
        self._closing = True
        self._give_up(sock, "we took leave of it")
        return True

    def _wait_for_confirmations(self, until: float) -> None:
        while (sock := self._socket()) is not None and self._accepted:
            self._write(sock)
            self._forget_confirmed()
            if not self._unconfirmed or (left_s := until - time.monotonic()) <= 0:
                return
            if sock.wait(left_s):
                self._read(sock)

    def _forget_confirmed(self) -> None:
        while self._unconfirmed and self._unconfirmed[0][0].is_published():
            self._unconfirmed_bytes -= self._unconfirmed.popleft()[1]

    # --- Callbacks: they take notes -------------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._failed(f"it refused us: {reason}{_HINTS.get(reason.value, '')}")
            return
        self._generation += 1
        self._accepted, self._since = True, time.monotonic()
        session = "continuing the" if flags.session_present else "with a new"
        log.info("Connected to %s as %r, %s session.", self._config.address, self._client_id, session)
        if self._generation == 1 and self._config.qos:
            log.info("Mosquitto drops events beyond 1000 that wait for a device, unless max_queued_messages is raised.")
        if self._generation > 1 and not flags.session_present:
            log.warning("The broker did not keep our session: events sent while we were away may be lost.")
        self._subscriptions.start(client)
        self._to_greet = True

    def _on_disconnect(
        self, client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._up or self._closing:
            self._up = self._accepted = False
            return
        fault = cast("_Client", client).fresh.fault
        if flags.is_disconnect_packet_from_server:
            why = f"the broker ended it: {reason}"
        elif fault is not None:
            why = explain(fault)
        elif reason.value in ENDED_BY_PAHO:
            why = ENDED_BY_PAHO[reason.value]
        else:
            why = "the broker closed it" if self._accepted else "the broker closed it before it accepted us"
        if self._accepted and time.monotonic() - self._since < STABLE_S:
            why += f" (does another client use the id {self._client_id!r}?)"
        self._failed(why)

    def _on_publish(
        self, client: Client, _data: Any, packet_id: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if packet_id != self._greeting:
            return
        # The one message whose fate is asked after; paho would make much ado about every answer that is sent.
        client.on_publish = None
        if reason.is_failure:
            log.error(
                "The broker refused what we publish to %r: %s. Check its access rules.", self._status_topic, reason
            )

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if self._closing:
            return  # Not acknowledged: the broker keeps it for our return.
        self._inbox.append(delivered(message, self._generation))
        self._inbox_bytes += len(message.payload)


def _status(state: str, since: float | None = None) -> bytes:
    """What the device says of itself. A last will has no `since`: the broker sends it, at a time that is its own."""
    return json.dumps({"state": state, "since": since, "version": __version__}).encode()
