"""MQTT client that sends events to a device and records its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from itertools import repeat
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from support.waiting import PATIENCE_S, eventually


class DevicePeer:
    """MQTT client that sends events to a device and records what it publishes; use it in a `with` block."""

    def __init__(self, port: int, device: str = "pump", username: str | None = None, password: str = "") -> None:
        self.received: list[tuple[str, bytes, bool]] = []
        """Topic, payload, and whether it was retained."""
        self.answers_count = 0
        """Number of messages with predictions."""
        self._prefix = f"edgedescent/{device}/"
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        # Retained messages come first; with events among the topics, a slow test would choke on its own.
        topics = [(f"{self._prefix}{name}", 1) for name in ("predictions", "metrics", "drift", "snapshots", "status")]
        self._client.on_connect = lambda client, *_: client.subscribe(topics)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 1)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "the subscription was not confirmed"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        topic = message.topic.removeprefix(self._prefix)
        self.answers_count += topic == "predictions"
        self.received.append((topic, bytes(message.payload), message.retain))

    def send(
        self,
        payloads: Sequence[bytes],
        *,
        qos: int = 1,
        wait: bool = True,
        retain: bool = False,
        topics: Sequence[str] | None = None,
    ) -> None:
        """Publish events in order, to other topics where they are given; waits until the broker has them."""
        sent = [
            self._client.publish(f"{self._prefix}{topic}", payload, qos, retain)
            for payload, topic in zip(payloads, topics or repeat("events"), strict=False)
        ]
        if wait and sent:
            sent[-1].wait_for_publish(PATIENCE_S)
            assert sent[-1].is_published(), "the broker did not take the events"

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish to any topic, whatever the device's."""
        self._client.publish(topic, payload, 1)

    def of(self, topic: str) -> list[bytes]:
        """Payloads received on a topic."""
        return [payload for name, payload, _ in list(self.received) if name == topic]

    def answers(self) -> list[dict[str, Any]]:
        """Predictions received; those in arrays are listed singly."""
        found = [json.loads(payload) for payload in self.of("predictions")]
        return [answer for item in found for answer in (item if isinstance(item, list) else [item])]

    def answered(self, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Wait until each of these events was answered; returns the answers by id."""
        wanted = set(ids)

        def by_id() -> dict[str, dict[str, Any]]:
            found = {answer["id"]: answer for answer in self.answers() if "id" in answer}
            return found if wanted <= found.keys() else {}

        return eventually(by_id, "an answer to each event")

    def states(self) -> list[str]:
        """States that the device has announced."""
        return [json.loads(payload)["state"] for payload in self.of("status")]

    def state(self, wanted: str) -> None:
        """Wait until the device's last announced state is this one."""
        eventually(lambda: self.states()[-1:] == [wanted], f"state {wanted}; announced: {self.states()}")
