"""Publishing of answers, metrics and status within the limits of the broker and of the memory."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent import __version__
from edgedescent_mqtt.buffered_socket import PENDING_BYTES_MAX
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.limits import SUSPECT_BYTES, BrokerLimits
from edgedescent_mqtt.packet_socket import PacketSocket
from edgedescent_mqtt.packets import DISCONNECT, Publication
from edgedescent_mqtt.reasons import PUBLICATION_ADVICE, advice, worded
from edgedescent_mqtt.unconfirmed import Unconfirmed

log = logging.getLogger(__name__)

GRACE_S = 2.0
"""Time for which a broker that has answered a ping may still end the connection for a large message before it.

RabbitMQ answers pings ahead of messages that it is at work on."""
TOPICS_MAX = 256
"""Most topics whose packets' heads are kept: a client may name any number of response topics."""
UNCONFIRMED_MAX = 10_000
"""Most messages sent with QoS 1 that may wait for the broker's confirmation."""


class Publisher:
    """Publisher over one connection after another.

    Messages with QoS 0 bypass paho. Those with QoS 1 are paho's: it sends them again over the next connection.

    Args:
        client: paho's client.
        config: Protocol and quality of service.
        limits: Limits of the broker.
        status_topic: Topic of the status and the last will.
        counts: Counts what the broker refuses.
    """

    def __init__(
        self, client: Client, config: BrokerConfig, limits: BrokerLimits, status_topic: str, counts: Counter[str]
    ) -> None:
        self._client = client
        self._qos = config.publish_qos
        self._five = config.protocol == "5"
        self._limits = limits
        self._status_topic = status_topic
        self._counts = counts
        self._publications: dict[tuple[str, bool], Publication] = {}
        self.unconfirmed = Unconfirmed()
        self._greeting: MQTTMessageInfo | None = None
        """The last status "online"."""
        self._watched: dict[int, str] = {}
        """Topics of the messages whose confirmation is looked at, by packet id."""
        self._largest = 0
        """Size of the largest message of which is not known that the broker took it."""
        self._proof = 0
        """Number of the ping whose answer shows that it did."""
        self._proven_at: float | None = None
        """Time of that answer."""
        client.max_queued_messages_set(UNCONFIRMED_MAX)

    # --- The connection -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Set the last will for the next attempt to connect."""
        qos, retain = self._limits.will()
        self._client.will_set(self._status_topic, status("offline"), qos=qos, retain=retain)

    @property
    def may_greet(self) -> bool:
        """True while the broker takes one more message with QoS 1."""
        self.unconfirmed.forget_confirmed()
        return not self._limits.qos_max or self._n_unconfirmed < self._limits.receive_max

    @property
    def _n_unconfirmed(self) -> int:
        greeting = self._greeting
        return len(self.unconfirmed) + (greeting is not None and not greeting.is_published())

    def greet(self, sock: PacketSocket) -> None:
        """Publish the status "online". A stop does not wait for its confirmation, as "stopped" replaces it."""
        message = status("online", time.time())
        if self._limits.qos_max:
            self._greeting = self._send_confirmed(self._status_topic, message, retain=True)
        else:
            self.publish(sock, self._status_topic, message, retain=True)

    def farewell(self) -> bytes:
        """Return the status "stopped" and the end of the connection."""
        stopped = Publication(self._status_topic, five=self._five, retain=self._limits.retains)
        return stopped.packets((status("stopped", time.time()),)) + DISCONNECT

    def on_answered(self, pings: int) -> None:
        """Record how many pings of this connection the broker has answered: it took what was sent before them."""
        if self._largest and self._proven_at is None and pings >= self._proof:
            self._proven_at = time.monotonic()
        self._settle()

    def _settle(self) -> None:
        """Forget the largest message once the broker has taken it for certain."""
        if self._proven_at is not None and time.monotonic() - self._proven_at >= GRACE_S:
            self._largest, self._proven_at = 0, None
            self._limits.on_taken()

    def on_ended(self, code: int | None) -> None:
        """Record the end of a connection and the reason code that the broker gave, if any."""
        self._settle()
        self._limits.on_ended(self._largest, code)
        self._largest, self._proven_at = 0, None

    # --- Messages -------------------------------------------------------------------------------------------------

    def publish(
        self, sock: PacketSocket, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes = b""
    ) -> bool:
        """Queue a message; returns False where too much waits to be sent already."""
        # A retained message replaces the one before, and is small and rare: there is always room for it.
        if not retain and sock.unsent >= PENDING_BYTES_MAX:
            return False
        if (retain or self._qos) and self._limits.qos_max:
            if not self._publish_confirmed(topic, payload, retain=retain, correlation=correlation):
                return False
        else:
            sock.queue(self._publication(topic, correlation, retain=retain).packets((payload,)))
        if len(payload) >= SUSPECT_BYTES:
            self._settle()
            self._proven_at = None
            self._largest = max(self._largest, len(payload))
            self._proof = sock.ping()
        return True

    def publish_many(self, sock: PacketSocket, topic: str, payloads: Sequence[bytes]) -> int:
        """Queue messages to one topic; returns the number of those that were queued, the first ones."""
        if self._qos or max(map(len, payloads), default=0) >= SUSPECT_BYTES:
            for n, payload in enumerate(payloads):
                if not self.publish(sock, topic, payload):
                    return n
        elif sock.unsent >= PENDING_BYTES_MAX:
            return 0
        else:
            sock.queue(self._publication(topic, b"", retain=False).packets(payloads))
        return len(payloads)

    def _publication(self, topic: str, correlation: bytes, *, retain: bool) -> Publication:
        """Writer of messages to a topic."""
        retain = retain and self._limits.retains
        if correlation:
            # Each request has its own.
            return Publication(topic, five=self._five, retain=retain, correlation=correlation)
        publication = self._publications.get((topic, retain))
        if publication is None:
            if len(self._publications) >= TOPICS_MAX:
                self._publications.clear()
            publication = self._publications[topic, retain] = Publication(topic, five=self._five, retain=retain)
        return publication

    def _publish_confirmed(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes) -> bool:
        unconfirmed = self.unconfirmed
        unconfirmed.forget_confirmed()
        # The broker ends a connection over which it gets more than it takes (MQTT 5, section 3.3.4).
        if self._n_unconfirmed >= self._limits.receive_max:
            return False
        # A retained message replaces the one before, and is small and rare: the memory has always room for it.
        if unconfirmed.bytes >= PENDING_BYTES_MAX and not retain:
            return False
        info = self._send_confirmed(topic, payload, retain=retain, correlation=correlation)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        unconfirmed.add(info, len(payload))
        return True

    def _send_confirmed(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes = b"") -> MQTTMessageInfo:
        properties = None
        if correlation and self._five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        info = self._client.publish(
            topic, payload, qos=1, retain=retain and self._limits.retains, properties=properties
        )
        if self._five and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            # 3.1.1 has no reason codes. With the callback set, paho takes much longer for every message.
            self._watched[info.mid] = topic
            self._client.on_publish = self._on_publish
        return info

    def _on_publish(
        self, client: Client, _data: Any, packet_id: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        topic = self._watched.pop(packet_id, "")
        if not self._watched:
            client.on_publish = None
        if reason.is_failure:
            self._counts["publications_refused"] += 1
            told = worded(reason, properties)
            log.error("The broker refused the message to %r: %s.%s", topic, told, advice(reason, PUBLICATION_ADVICE))


def status(state: str, since: float | None = None) -> bytes:
    """Return the device's status message; a last will has no `since`, as the broker decides when it is sent."""
    return json.dumps({"state": state, "since": since, "version": __version__}).encode()
