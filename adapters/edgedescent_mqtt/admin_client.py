"""A short connection beside the daemon's: it keeps no session, takes no event away and announces nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgedescent.adapters import Delivery
from edgedescent.errors import TransportError
from edgedescent_mqtt.config import PACKET_OVERHEAD_BYTES, Broker
from edgedescent_mqtt.connect import ENDED_BY_PAHO, explain
from edgedescent_mqtt.received import delivered

ANSWER_S = 5.0
"""How long the broker may take to answer."""
WINDOW = 200
"""How many messages may be sent ahead of their confirmations."""
_ENDED = "it ended the connection"


class MqttAdminClient:
    """A client of its own for an operating command; use it in a `with` block.

    Its client id is the device's with something behind it, so that the daemon's session goes on undisturbed. Of a
    shared subscription it takes the filter alone: as a member of the group it would take messages from the others.

    Args:
        config: how the daemon connects.
        device: its name.
        purpose: a word that becomes part of the client id.
        bytes_max: the largest payload to receive.
        session_expiry_s: what to ask for, to see what is granted; whatever it is, the session ends when we leave.

    Raises:
        TransportError: on entry, if the broker cannot be reached or refuses us; from the methods, if it goes away.
    """

    def __init__(self, config: Broker, *, device: str, purpose: str, bytes_max: int, session_expiry_s: int = 0) -> None:
        self._config = config
        self._five = config.protocol == "5"
        self.client_id = f"{config.client_id or f'edgedescent-{device}'}-{purpose}-{secrets.token_hex(3)}"
        self.granted: dict[str, Any] = {}
        """The properties with which the broker accepted us (MQTT 5)."""
        self._connected: ReasonCode | None = None
        self._lost = ""
        self._inbox: list[Delivery] = []
        self._subscribed: dict[int, list[ReasonCode]] = {}
        self._confirmed: dict[int, ReasonCode] = {}
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._five else True,
            reconnect_on_failure=False,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = lambda _client, _data, packet_id, codes, _properties: self._subscribed.update(
            {packet_id: codes}
        )
        client.on_publish = lambda _client, _data, packet_id, code, _properties: self._confirmed.update(
            {packet_id: code}
        )
        client.connect_timeout = config.connect_timeout_s
        self._keeps_session = self._five and session_expiry_s > 0
        self._properties: Properties | None = None
        if self._five:
            self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            self._properties.SessionExpiryInterval = session_expiry_s
            self._properties.ReceiveMaximum = config.receive_max
            self._properties.MaximumPacketSize = bytes_max + PACKET_OVERHEAD_BYTES

    def __enter__(self) -> Self:
        config = self._config
        if config.tls is not None:
            self._client.tls_set_context(config.tls.context())
        self._client.username_pw_set(config.username, config.password())
        try:
            options = {"clean_start": True, "properties": self._properties} if self._five else {}
            self._client.connect(config.host, config.port_in_use, keepalive=config.keepalive_s, **options)  # type: ignore[arg-type]
        except (OSError, ValueError) as error:
            raise TransportError(
                f"The broker at {config.address} cannot be reached: {explain(error)}.", "Is it running?"
            ) from error
        if not self._until(lambda: self._connected is not None or bool(self._lost)):
            self.__exit__(None, None, None)
            raise TransportError(f"The broker at {config.address} accepts connections but does not answer.")
        if self._connected is None:
            raise TransportError(
                f"The broker at {config.address} did not let us in: {self._lost}.",
                "Is this its port for MQTT, with TLS or without? "
                'One that knows only MQTT 3.1.1 needs broker.protocol = "3.1.1".',
            )
        if self._connected.is_failure:
            self.__exit__(None, None, None)
            raise TransportError(
                f"The broker at {config.address} refused us: {self._connected}.",
                "See `broker.username`, its password, and the broker's access rules.",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        farewell = None
        if self._keeps_session:
            farewell = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            farewell.SessionExpiryInterval = 0
        self._client.disconnect(properties=farewell)
        until = time.monotonic() + 1.0
        while self._client.socket() is not None and time.monotonic() < until:
            self._client.loop(0.05)

    # --- What the commands ask for --------------------------------------------------------------------------------

    def subscribe(self, filters: Sequence[str]) -> dict[str, ReasonCode]:
        """Subscribe, without becoming a member of a group; returns the broker's answer by filter."""
        answers = {}
        for name in filters:
            options: Any = self._config.qos
            if self._five:
                options = SubscribeOptions(qos=self._config.qos)
            _, packet_id = self._client.subscribe([(without_group(name), options)])
            if packet_id is None or not self._until(lambda key=packet_id: key in self._subscribed):  # type: ignore[misc]
                self._require()
                raise TransportError(f"The broker does not answer to the subscription to {name!r}.")
            answers[name] = self._subscribed.pop(packet_id)[0]
        return answers

    def poll(self, timeout_s: float) -> list[Delivery]:
        """The messages that arrived, waiting at most `timeout_s` for the first."""
        until = time.monotonic() + timeout_s
        while not self._inbox and (left_s := until - time.monotonic()) > 0:
            self._turn(left_s)
        arrived, self._inbox = self._inbox, []
        self._require()
        return arrived

    def publish(self, topic: str, payload: bytes) -> ReasonCode:
        """Send a message with QoS 1 and wait for the broker's answer; with MQTT 3.1.1 that is always a good one."""
        return self.publish_all([(topic, payload)], lambda _count: None)[0]

    def publish_all(self, messages: Sequence[tuple[str, bytes]], told: Callable[[int], None]) -> list[ReasonCode]:
        """Send messages in order and wait for all answers; `told` hears how many there are so far."""
        ids: list[int] = []
        for topic, payload in messages:
            while len(ids) - len(self._confirmed) >= WINDOW:
                self._patiently(len(self._confirmed))
                told(len(self._confirmed))
            ids.append(self._client.publish(topic, payload, qos=1).mid)
            self._client.loop_write()
        while not all(packet_id in self._confirmed for packet_id in ids):
            self._patiently(len(self._confirmed))
            told(len(self._confirmed))
        codes = [self._confirmed[packet_id] for packet_id in ids]
        self._confirmed.clear()
        return codes

    def _patiently(self, before: int) -> None:
        if not self._until(lambda: len(self._confirmed) > before):
            self._require()
            raise TransportError(f"The broker at {self._config.address} does not confirm what it is sent.")

    # --- Inside ---------------------------------------------------------------------------------------------------

    def _until(self, done: Callable[[], bool]) -> bool:
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

    def _require(self) -> None:
        if self._lost:
            raise TransportError(f"The broker at {self._config.address} is gone: {self._lost}.")

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._connected = reason
        # paho's properties are the attributes that were set, beside two tables of its own.
        found = {} if properties is None else vars(properties)
        self.granted = {name: value for name, value in found.items() if name[0].isupper() and name != "UserProperty"}

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        known = flags.is_disconnect_packet_from_server
        self._lost = str(reason) if known else ENDED_BY_PAHO.get(reason.value, _ENDED)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._inbox.append(delivered(message))


def without_group(name: str) -> str:
    """The filter of a shared subscription.

    >>> without_group("$share/fleet/plant/+/events")
    'plant/+/events'
    """
    return name.split("/", 2)[2] if name.startswith("$share/") and name.count("/") >= 2 else name
