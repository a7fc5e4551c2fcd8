"""Real brokers for tests, and a subscriber that records events."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgedescent_sims.broker.process import BrokerKind, BrokerProcess, available_kinds
from support.waiting import PATIENCE_S


def require_broker(kind: BrokerKind) -> None:
    """Skip the running test if a kind of broker is not installed."""
    if kind not in available_kinds():
        pytest.skip(f"{kind} is not installed")


@contextmanager
def running_broker(kind: BrokerKind | None = None, *, persistent: bool = False) -> Iterator[BrokerProcess]:
    """Run a broker on a free loopback port, mosquitto if installed; `stop` and `start` keep its port."""
    if kind is not None:
        require_broker(kind)
    if not available_kinds():
        pytest.skip("no MQTT broker is installed")
    with BrokerProcess(kind=kind, persistent=persistent) as broker:
        yield broker


class EventCollector:
    """Subscribes with a persistent session at QoS 1 and keeps every event that arrives."""

    def __init__(self, broker: BrokerProcess, topic: str) -> None:
        self.messages: list[Any] = []
        self._subscribed = threading.Event()
        self._topic = topic
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="collector", clean_session=False, protocol=mqtt.MQTTv311
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda _client, _data, message: self.messages.append(json.loads(message.payload))
        self._client.connect(broker.host, broker.port)

    @property
    def ids(self) -> list[str]:
        """Ids of the received events, in order."""
        events = [event for message in list(self.messages) for event in _as_list(message)]
        return [event["id"] for event in events]

    def wait_for(self, count: int, timeout_s: float = PATIENCE_S) -> set[str]:
        """Wait until `count` different events have come, and a moment longer for events that should not come."""
        until = time.monotonic() + timeout_s
        while len(set(self.ids)) < count and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.1)
        return set(self.ids)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S), "the subscription was not confirmed"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def _as_list(message: Any) -> list[Any]:
    return message if isinstance(message, list) else [message]
