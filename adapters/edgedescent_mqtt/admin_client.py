"""Short connections of the operating commands, beside the daemon's own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgedescent.engine._copy_window import CopyWindow
from edgedescent.errors import TransportError
from edgedescent.interfaces import Delivery
from edgedescent_mqtt.client import MqttClient
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.connect import PAHO_REASONS, explain, key_hint, open_socket
from edgedescent_mqtt.reasons import CONNECTION_ADVICE, worded
from edgedescent_mqtt.received import to_delivery
from edgedescent_mqtt.subscriptions import identified
from edgedescent_mqtt.topics import overlapping, without_group

ANSWER_S = 5.0
"""Longest time for an answer of the broker's."""
WINDOW = 200
"""Most messages that may be sent ahead of their confirmations."""
_ENDED = "it ended the connection"


class MqttAdminClient:
    """Connection of an operating command: it keeps no session, takes no event away and has no last will.

    Use it in a `with` block. Its client id is the device's with a suffix, so that the daemon's session goes on
    undisturbed. Of a shared subscription it uses the filter alone: as a member of the group it would take messages
    from the others.

    Args:
        config: The ``[broker]`` table.
        device: Name of the device.
        purpose: A word that becomes part of the client id.
        bytes_max: Largest payload to receive.
        session_expiry_s: Session expiry to ask for, to see what is granted; the session ends with the `with` block.

    Raises:
        TransportError: On entry, if the broker cannot be reached or refuses the client; from the methods, if the
            connection is lost.
    """

    def __init__(
        self, config: BrokerConfig, *, device: str, purpose: str, bytes_max: int, session_expiry_s: int = 0
    ) -> None:
        self._config = config
        self._five = config.protocol == "5"
        self.client_id = f"{config.client_id_of(device)}-{purpose}-{secrets.token_hex(3)}"
        self.granted: dict[str, Any] = {}
        """Properties with which the broker accepted the connection (MQTT 5)."""
        self._connected: ReasonCode | None = None
        self._told = ""
        """Its reason in the broker's words."""
        self._lost = ""
        """Reason why the connection was lost; empty while it was not."""
        self._inbox: list[Delivery] = []
        self._copies = CopyWindow()
        self._subscribed: dict[int, list[ReasonCode]] = {}
        self._unsubscribed: set[int] = set()
        self._confirmed: dict[int, ReasonCode] = {}
        self._keeps_session = self._five and session_expiry_s > 0
        session = config.session(payload_bytes_max=bytes_max, resume=False, expiry_s=session_expiry_s)
        self._client = client = MqttClient(self.client_id, config.protocol, session)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = lambda _client, _data, packet_id, codes, _properties: self._subscribed.update(
            {packet_id: codes}
        )
        client.on_unsubscribe = lambda _client, _data, packet_id, _codes, _properties: self._unsubscribed.add(packet_id)
        client.on_publish = lambda _client, _data, packet_id, code, _properties: self._confirmed.update(
            {packet_id: code}
        )

    def __enter__(self) -> Self:
        """Connect and log in."""
        config = self._config
        connection = config.connection()
        try:
            sock = open_socket(connection, config.connect_timeout_s)
        except (OSError, ValueError) as error:
            reason = explain(error) + key_hint(error)
            raise TransportError(
                f"The broker at {config.address} cannot be reached: {reason}.", "Is it running?"
            ) from error
        self._client.connect_over(sock, connection)
        if not self._until(lambda: self._connected is not None or bool(self._lost)):
            self.__exit__(None, None, None)
            raise TransportError(f"The broker at {config.address} accepts connections but does not answer.")
        if self._connected is None:
            raise TransportError(
                f"The broker at {config.address} did not accept the connection: {self._lost}.",
                "Is this its port for MQTT, with TLS or without? "
                'One that knows only MQTT 3.1.1 needs broker.protocol = "3.1.1".',
            )
        if self._connected.is_failure:
            self.__exit__(None, None, None)
            advice = CONNECTION_ADVICE.get(self._connected.value, "see the log of the broker")
            raise TransportError(
                f"The broker at {config.address} refused the connection: {self._told}.",
                f"{advice[0].upper()}{advice[1:]}.",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect and end the session."""
        properties = None
        if self._keeps_session:
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        until = time.monotonic() + 1.0
        while self._client.socket() is not None and time.monotonic() < until:
            self._client.loop(0.05)

    # --- Requests -------------------------------------------------------------------------------------------------

    def subscribe(self, filters: Sequence[str]) -> dict[str, ReasonCode]:
        """Subscribe, without becoming a member of a group; returns the broker's reply by filter.

        It is called once, or for topics that do not overlap with those before.
        """
        replies = {}
        plain = list(dict.fromkeys(map(without_group, filters)))
        numbered = self._five and self.granted.get("SubscriptionIdentifierAvailable", 1) and overlapping(plain)
        for name in filters:
            options: Any = self._config.qos
            if self._five:
                options = SubscribeOptions(qos=self._config.qos)
            properties = identified(without_group(name)) if numbered else None
            _, packet_id = self._client.subscribe([(without_group(name), options)], properties=properties)
            if packet_id is None or not self._until(lambda key=packet_id: key in self._subscribed):  # type: ignore[misc]
                self._require_connection()
                raise TransportError(f"The broker does not answer to the subscription to {name!r}.")
            replies[name] = self._subscribed.pop(packet_id)[0]
        return replies

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End subscriptions; what was under way may still come."""
        _, packet_id = self._client.unsubscribe([without_group(name) for name in filters])
        if packet_id is None or not self._until(lambda: packet_id in self._unsubscribed):
            self._require_connection()
            raise TransportError(f"The broker does not answer to the end of the subscription to {filters[0]!r}.")
        self._unsubscribed.discard(packet_id)

    def poll(self, timeout_s: float) -> list[Delivery]:
        """Return the messages that arrived, waiting at most `timeout_s` for the first."""
        until = time.monotonic() + timeout_s
        while not self._inbox and (left_s := until - time.monotonic()) > 0:
            self._turn(left_s)
        arrived, self._inbox = self._inbox, []
        self._require_connection()
        return arrived

    def publish(self, topic: str, payload: bytes) -> ReasonCode:
        """Send a message with QoS 1 and return the broker's reply; MQTT 3.1.1 has only one, success."""
        return self.publish_all([(topic, payload)], lambda _count: None)[0]

    def publish_all(
        self, messages: Sequence[tuple[str, bytes]], on_progress: Callable[[int], None]
    ) -> list[ReasonCode]:
        """Send messages in order with QoS 1 and return the broker's replies.

        Args:
            messages: Topics and payloads.
            on_progress: Called with the number of replies so far.
        """
        ids: list[int] = []
        for topic, payload in messages:
            while len(ids) - len(self._confirmed) >= WINDOW:
                self._await_reply()
                on_progress(len(self._confirmed))
            ids.append(self._client.publish(topic, payload, qos=1).mid)
            self._client.loop_write()
        while not all(packet_id in self._confirmed for packet_id in ids):
            self._await_reply()
            on_progress(len(self._confirmed))
        codes = [self._confirmed[packet_id] for packet_id in ids]
        self._confirmed.clear()
        return codes

    def _await_reply(self) -> None:
        before = len(self._confirmed)
        if not self._until(lambda: len(self._confirmed) > before):
            self._require_connection()
            raise TransportError(f"The broker at {self._config.address} does not confirm what it is sent.")

    # --- The network loop -----------------------------------------------------------------------------------------

    def _until(self, done: Callable[[], bool]) -> bool:
        """Run the network loop until `done`, for at most `ANSWER_S`; returns False if it ended otherwise."""
        until = time.monotonic() + ANSWER_S
        while not done():
            left_s = until - time.monotonic()
            if left_s <= 0 or self._lost:
                return done()
            self._turn(left_s)
        return True

    def _turn(self, timeout_s: float) -> None:
        code = self._client.loop(min(timeout_s, 0.25))
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS and not self._lost:
            self._lost = _ENDED

    def _require_connection(self) -> None:
        if self._lost:
            raise TransportError(f"The broker at {self._config.address} is gone: {self._lost}.")

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._connected, self._told = reason, worded(reason, properties)
        # paho's properties are the attributes that were set, beside two tables of its own.
        found = {} if properties is None else vars(properties)
        self.granted = {name: value for name, value in found.items() if name[0].isupper() and name != "UserProperty"}

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Any
    ) -> None:
        known = flags.is_disconnect_packet_from_server
        self._lost = worded(reason, properties) if known else PAHO_REASONS.get(reason.value, _ENDED)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        delivery = to_delivery(message)
        if not self._copies.note(hash((delivery.topic, delivery.payload)) & 2**64 - 1, delivery.subscriptions):
            self._inbox.append(delivery)
