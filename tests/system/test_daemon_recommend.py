"""Recommendations of a real daemon over a real broker, with kill -9 in between."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message, Recommendations
from edgedescent_sims.broker.process import BrokerProcess
from support.daemon_process import assert_same_learning
from support.waiting import PATIENCE_S, eventually

EVENTS, REQUESTS = "edgedescent/pump/events", "edgedescent/pump/recommend"
LISTS = "edgedescent/pump/recommendations"


class Page:
    """Client that asks for recommendations and keeps what it gets."""

    def __init__(self, port: int, protocol: str) -> None:
        self.five = protocol == "5"
        self.topic = "page/7" if self.five else LISTS
        self.received: list[tuple[str, bytes, bytes, bool]] = []
        """Topic, payload, correlation data, and whether it was retained."""
        version = mqtt.MQTTv5 if self.five else mqtt.MQTTv311
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.subscribe(self.topic)

    def subscribe(self, topic: str) -> None:
        granted: list[int] = []
        self.client.on_subscribe = lambda *_: granted.append(1)
        self.client.subscribe(topic, 1)
        eventually(lambda: granted, "a subscription")

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        correlation = bytes(getattr(message.properties, "CorrelationData", b""))
        self.received.append((message.topic, bytes(message.payload), correlation, message.retain))

    def ask(self, number: int, payload: bytes, *, wait: bool = True) -> None:
        properties = None
        if self.five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = self.topic
            properties.CorrelationData = number.to_bytes(2, "big")
        sent = self.client.publish(REQUESTS, payload, 1, properties=properties)
        if wait:
            sent.wait_for_publish(PATIENCE_S)

    def send(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            sent = self.client.publish(EVENTS, payload, 1)
        sent.wait_for_publish(PATIENCE_S)

    def answers(self, numbers: range) -> dict[int, bytes]:
        """Wait for the answers to these requests."""

        def found() -> dict[int, bytes]:
            # One may come again after a kill.
            mine = {json.loads(payload).get("id"): (payload, data) for _, payload, data, _ in list(self.received)}
            if not set(numbers) <= mine.keys():
                return {}
            if self.five:
                assert all(mine[i][1] == i.to_bytes(2, "big") for i in numbers)
            return {i: mine[i][0] for i in numbers}

        return eventually(found, "an answer to each request")

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def choices(n: int, start: int = 0) -> list[bytes]:
    return [
        json.dumps({"id": f"e{i}", "user": f"u{i * 7 % 31}", "item": f"i{i * i % 83}", "y": 1}).encode()
        for i in range(start, start + n)
    ]


def request(i: int) -> bytes:
    return json.dumps({"user": f"u{i}", "k": 5, "exclude_seen": i % 2 == 0, "id": i}).encode()


def answer_of(engine: Engine, payload: bytes) -> bytes:
    (effect,) = engine.handle(Message(engine.position + 1, 0.0, REQUESTS, payload))
    assert isinstance(effect, Recommendations)
    return effect.payload


def traffic(n: int, start: int, chance: random.Random) -> list[bytes]:
    """Choices, and items that are withdrawn, come back and get titles between them."""
    payloads = choices(n, start)
    for i in range(start, start + n, 20):
        about: dict[str, Any] = {"id": f"a{i}", "item": f"i{chance.randrange(83)}", "available": chance.random() < 0.4}
        if chance.random() < 0.5:
            about["x"] = {"title": f"Title {i}"}
        payloads.insert(chance.randrange(len(payloads)), json.dumps(about).encode())
    return payloads


@pytest.mark.rounds(quick=2, long=20)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_kill_9_leaves_recommendations_equal_to_the_bit(
    broker: BrokerProcess, make_daemon: Any, rounds: Iterable[int], chance: random.Random, protocol: str
) -> None:
    if protocol not in broker.protocols:
        pytest.skip(f"the broker speaks no MQTT {protocol}")
    daemon = make_daemon(
        broker.port,
        broker=f'protocol = "{protocol}"',
        learner="AutoRanker",
        tables="[recommend]\nk = 4\nscore_every = 3\nattributes = true\n",
        environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "150"},
    )
    page, payloads, n = Page(broker.port, protocol), list[bytes](), 0
    try:
        with daemon:
            daemon.connected()
            for _ in rounds:
                made, before = traffic(200, n, chance), len(page.received)
                payloads, n = payloads + made, n + 200
                for number, payload in enumerate(made):
                    page.client.publish(EVENTS, payload, 1)
                    if number % 40 == 39:
                        page.ask(40, request(40), wait=False)
                if chance.random() < 0.8:
                    eventually(lambda before=before: len(page.received) > before, "an answer")
                    time.sleep(chance.uniform(0.0, 0.15))
                else:
                    # While it starts, recovers or connects.
                    time.sleep(chance.uniform(0.0, 1.0))
                daemon.kill()
                daemon.start()
            page.send(made := choices(50, n))
            payloads, n = payloads + made, n + 50
            daemon.counted(n)
            for i in range(33):
                page.ask(i, request(i))
            page.ask(99, b'{"user": "u1", "exclude": "i1", "id": 99}')
            found = page.answers(range(33))
            refused = page.answers(range(99, 100))
            daemon.stop()
    finally:
        page.close()
    undisturbed = daemon.undisturbed(payloads)
    assert found == {i: answer_of(undisturbed, request(i)) for i in range(33)}
    answer = json.loads(found[3])
    assert len(answer["items"]) == len(answer["attributes"]) == 5
    assert json.loads(refused[99])["error"] == "`exclude` is 'i1': expected a list of item ids."
    recovered = daemon.recovered()
    assert_same_learning(recovered, undisturbed)
    withdrawn = undisturbed.state_dict()["learner.withdrawn"]
    assert withdrawn
    assert not any(set(withdrawn) & set(json.loads(payload)["items"]) for payload in found.values())
    assert recovered.metrics()["recall_at_k"] == undisturbed.metrics()["recall_at_k"] > 0
    assert recovered.counters["dead_letters.wrong_type"] == 1
    assert "Traceback" not in daemon.log


def test_the_last_list_of_each_user_is_retained(broker: BrokerProcess, make_daemon: Any) -> None:
    protocol = broker.protocols[0]
    daemon = make_daemon(
        broker.port,
        broker=f'protocol = "{protocol}"',
        learner="AutoRanker",
        tables='[recommend]\nk = 4\nafter = "event"\nretain = true\n',
    )
    payloads, page = choices(120), Page(broker.port, protocol)
    try:
        with daemon:
            daemon.connected()
            page.send(payloads)
            daemon.counted(120)
            daemon.stop()
        page.subscribe(f"{LISTS}/#")
        users = {f"u{i}" for i in range(31)}
        eventually(lambda: {topic.rpartition("/")[2] for topic, *_ in page.received} >= users, "a list for each user")
        kept = {topic.rpartition("/")[2]: payload for topic, payload, _, retained in page.received if retained}
    finally:
        page.close()
    expected = {}
    engine = daemon.config.build_engine()
    for position, payload in enumerate(payloads, start=1):
        for effect in engine.handle(Message(position, 0.0, EVENTS, payload)):
            if isinstance(effect, Recommendations):
                expected[effect.user] = effect.payload
    assert kept == expected
