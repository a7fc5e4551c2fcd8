"""Answers by template are sent, held, kept and recovered as all others are, each as a message of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgedescent.config import Config
from edgedescent.daemon.dry_run import dry_run
from edgedescent.daemon.home_assistant import discovery_messages
from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness, event
from support.fake_admin_client import FakeAdminClient

TABLES: dict[str, Any] = {
    "topics": {"predictions": "plant/{device}/{id}"},
    "predictions": {"payload": '{"value": {prediction:.3f}, "of": "{id}"}'},
}


def answers(harness: DaemonHarness) -> list[tuple[str, Any]]:
    return [
        (topic, json.loads(payload)["of"]) for topic, payload, _ in harness.transport.published if "plant/" in topic
    ]


def test_each_event_is_answered_on_its_topic_in_order(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, **TABLES).recover()
    harness.receive(b"[%b]" % b",".join(event(i) for i in range(3)), event(3), b'{"id": "a/#", "x": {"a": 1}}')
    expected = [*((f"plant/pump/e{i}", f"e{i}") for i in range(4)), ("plant/pump/a%2F%23", "a/#")]
    assert answers(harness) == expected
    assert harness.transport.of("predictions") == []


def test_they_wait_for_the_connection_and_survive_a_crash(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, **TABLES).recover()
    harness.transport.connected = False
    harness.receive(b"[%b]" % b",".join(event(i) for i in range(3)))
    harness.wait(2.0)
    assert answers(harness) == []
    assert harness.daemon.metrics()["answers_waiting"] == 3
    harness.store.close()
    harness.restart()
    harness.recover()
    harness.receive()
    harness.wait(2.0)
    assert [name for _, name in answers(harness)] == ["e0", "e1", "e2"]


def test_one_that_was_sent_again_waits_for_its_acknowledgement(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, **TABLES).recover()
    harness.receive(Delivery("edgedescent/pump/events", event(1), 1, 1, duplicate=True))
    assert answers(harness) == []
    harness.wait(2.0)
    harness.receive()
    assert harness.history == ["append", "acknowledge"]
    assert [name for _, name in answers(harness)] == ["e1"]


def test_one_that_is_too_large_is_counted_and_not_split(tmp_path: Path) -> None:
    payload = '[{prediction:.3f}, "{id}"]'
    harness = DaemonHarness(tmp_path, topics=TABLES["topics"], predictions={"payload": payload}).recover()
    harness.transport.payload_bytes_max = lambda topic: 20 if topic.startswith("plant") else 10_000  # type: ignore[method-assign, assignment]
    long = json.dumps({"id": "i" * 30, "x": {"a": 1}}).encode()
    harness.receive()
    harness.receive(event(1), long, event(2))
    assert [topic for topic, *_ in harness.transport.published if "plant" in topic] == [
        "plant/pump/e1",
        "plant/pump/e2",
    ]
    assert harness.daemon.metrics()["publications_too_large"] == 1
    assert harness.daemon.metrics()["answers_split"] == 0


def test_no_request_for_items_is_answered_where_predictions_go(tmp_path: Path) -> None:
    tables = {"learner": {"type": "AutoRanker"}, "recommend": {}, "topics": {"predictions": "plant/p-{id}"}}
    harness = DaemonHarness(tmp_path, **tables).recover()
    harness.receive(b'{"user": "ann", "item": "tea", "y": 1}')
    for topic in ("plant/p-7", "plant/q"):
        request = Delivery("edgedescent/pump/recommend", b'{"user": "ann"}', response_topic=topic)
        harness.receive(request)
    assert [topic for topic, *_ in harness.transport.published if "plant" in topic] == ["plant/p-_", "plant/q"]
    assert harness.daemon.metrics()["requests_refused"] == 1


@pytest.mark.parametrize("payload", ['{"v": {"now": {prediction}}}', "{prediction}"])
def test_home_assistant_finds_the_prediction(tmp_path: Path, payload: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    tables = {
        "topics": {"predictions": "plant/{device}"},
        "predictions": {"payload": payload},
        "home_assistant": {"discovery": True},
    }
    harness = DaemonHarness(tmp_path, **tables).recover()
    harness.receive(event(1))
    sensor = json.loads(discovery_messages(harness.config)[0][1])
    assert sensor["state_topic"] == "plant/pump"
    (content,) = [payload for topic, payload, _ in harness.transport.published if topic == sensor["state_topic"]]
    template = jinja2.Environment().from_string(sensor["value_template"])
    assert float(template.render(value=content.decode(), value_json=json.loads(content))) == 0.0


def test_a_dry_run_shows_topic_and_payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = DaemonHarness(tmp_path, **TABLES).config
    monkeypatch.setattr(
        Config,
        "build_admin_client",
        lambda _config, _purpose: FakeAdminClient(
            [Delivery("edgedescent/pump/events", b"[%b,%b]" % (event(1), event(2)))]
        ),
    )
    shown: list[tuple[str, bytes]] = []
    dry_run(config, events=2, on_output=lambda *output: shown.append(output))
    assert shown == [
        ("predictions", b'plant/pump/e1 {"value": 0.000, "of": "e1"}'),
        ("predictions", b'plant/pump/e2 {"value": 2.000, "of": "e2"}'),
    ]
