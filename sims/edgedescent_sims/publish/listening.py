"""Publisher that also subscribes, to read a device's answers over the same connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Self

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.errors import TransportError
from edgedescent_mqtt.client import Connection, MqttClient, Session
from edgedescent_mqtt.connect import open_socket
from edgedescent_sims.publish.publisher import Publisher

_SESSION_S = 600
"""Seconds for which the broker keeps the answers while the connection is lost."""
_CLOSE_S = 2.0
_SUBSCRIBE_S = 10.0


class ListeningPublisher(Publisher):
    """Publisher with subscriptions at QoS 1, whose messages gather in `inbox`.

    Its session outlives a lost connection, so that no answer is lost with one, and ends with the `with` block.

    Args:
        connection: Address, credentials and protocol.
        topic: Topic to publish to.
        subscriptions: Topics to subscribe to.
        options: Further arguments of `Publisher`.
    """

    def __init__(self, connection: Connection, topic: str, subscriptions: Sequence[str], **options: Any) -> None:
        self.inbox: list[tuple[str, bytes]] = []
        """Topics and payloads that arrived; whoever reads them empties it."""
        self._subscriptions = list(subscriptions)
        self._subscribed: list[ReasonCode] | None = None
        super().__init__(connection, topic, **options)

    def _session(self) -> Session:
        return Session(resume=True, expiry_s=_SESSION_S)

    def _make_client(self) -> MqttClient:
        client = super()._make_client()
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def __enter__(self) -> Self:
        """Connect and subscribe."""
        super().__enter__()
        try:
            self._await_subscriptions()
        except BaseException:
            self.close()
            raise
        return self

    def _await_subscriptions(self) -> None:
        until = time.monotonic() + _SUBSCRIBE_S
        while self._subscribed is None:
            if time.monotonic() > until:
                raise TransportError(f"The broker at {self.connection} does not answer to a subscription.")
            self.pump(0.1)
        for topic, code in zip(self._subscriptions, self._subscribed, strict=False):
            if code.is_failure:
                raise TransportError(
                    f"The broker at {self.connection} refused the subscription to {topic}: {code}.",
                    "May this user read it? Check the broker's access rules.",
                )

    def close(self) -> None:
        """Disconnect and end the session."""
        properties = None
        if self.connection.protocol == "5":
            properties = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
        self._client.disconnect(properties=properties)
        self._client.loop_write()
        if self.connection.protocol != "5" and self._ever_connected:
            self._end_session()

    def _end_session(self) -> None:
        """Log in once more without a session: MQTT 3.1.1 knows no other way to end one."""
        client = MqttClient(self.client_id, self.connection.protocol)
        connected: list[bool] = []
        client.on_connect = lambda *_: connected.append(True)
        try:
            client.connect_over(open_socket(self.connection, _CLOSE_S), self.connection)
            until = time.monotonic() + _CLOSE_S
            while not connected and client.socket() is not None and time.monotonic() < until:
                client.loop(0.1)
        except (OSError, ValueError) as error:
            self._notify(f"The session {self.client_id} could not be ended at {self.connection}: {error}.")
        finally:
            client.disconnect()
            client.loop_write()

    # --- Callbacks of paho's, which only record -------------------------------------------------------------------

    def _on_connect(
        self, client: mqtt.Client, data: object, flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        super()._on_connect(client, data, flags, reason, properties)
        if not reason.is_failure and self._subscriptions:
            # Also of a resumed session: the broker may have lost it.
            client.subscribe([(topic, 1) for topic in self._subscriptions])

    def _on_subscribe(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        self._subscribed = codes

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.inbox.append((message.topic, bytes(message.payload)))
