"""Recommendations of the daemon: where they go, what waits for a connection, and what a crash repeats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgedescent.daemon.exposition import FAMILIES
from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness

REQUESTS, LISTS = "edgedescent/pump/recommend", "edgedescent/pump/recommendations"


def a_harness(folder: Path, **recommend: Any) -> DaemonHarness:
    return DaemonHarness(folder, learner={"type": "AutoRanker"}, recommend={"k": 2, **recommend}).recover()


def choices(n: int, start: int = 0) -> list[bytes]:
    return [
        json.dumps({"id": i, "user": f"u/{i % 3}", "item": f"i{i * i % 5}", "y": 1}).encode()
        for i in range(start, start + n)
    ]


def request(packet_id: int, topic: str = "", correlation: bytes = b"", **fields: Any) -> Delivery:
    payload = json.dumps({"user": "u/1", **fields}).encode()
    return Delivery(REQUESTS, payload, packet_id, 1, response_topic=topic, correlation=correlation)


def test_an_answer_goes_where_the_request_says(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*choices(30))
    sent = len(harness.transport.published)
    harness.receive(request(31, "page/7", b"\x01\x02"), request(32), request(33, LISTS, b"9"))
    found = harness.transport.published[sent:]
    assert [(topic, retain) for topic, _, retain in found] == [("page/7", False), (LISTS, False), (LISTS, False)]
    assert harness.transport.correlations[sent:] == [b"\x01\x02", b"", b"9"]
    assert len({payload for _, payload, _ in found}) == 1
    assert len(json.loads(found[0][1])["items"]) == 2
    metrics = harness.daemon.metrics()
    assert (metrics["recommend_requests"], metrics["lists_scored"]) == (3, 6)
    assert {type(value) for name, value in metrics.items() if name.endswith(("_at_k", "coverage"))} == {float}
    assert {"recall_at_k", "ndcg_at_k", "hit_rate_at_k", "catalogue_coverage", "requests_refused"} <= metrics.keys()
    assert {name for name in metrics if "_at_k" in name or "recommend" in name} <= FAMILIES.keys()


@pytest.mark.parametrize("topic", ["edgedescent/pump/status", "edgedescent/pump/predictions"])
def test_no_answer_goes_to_the_device_itself(tmp_path: Path, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*choices(3))
    sent = len(harness.transport.published)
    harness.receive(request(4, topic), request(5, topic))
    assert harness.transport.published[sent:] == []
    assert harness.daemon.metrics()["requests_refused"] == 2
    assert caplog.text.count("names the response topic") == 1


def test_a_bad_request_is_a_dead_letter(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(request(1, exclude="tea"), request(2, k=0))
    errors = [json.loads(payload)["error"] for topic, payload, _ in harness.transport.published if topic == LISTS]
    assert [error[:9] for error in errors] == ["`exclude`", "`k` is 0:"]
    assert harness.daemon.metrics()["dead_letters.wrong_type"] == 1
    harness.wait(1.0)
    assert [letter.topic for letter in harness.store.dead_letters()] == [REQUESTS] * 2


def test_lists_are_retained_for_each_user_where_that_is_configured(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, after="event", retain=True)
    harness.receive(*choices(4))
    kept = [(topic, retain) for topic, _, retain in harness.transport.published if topic.startswith(LISTS)]
    assert kept == [(f"{LISTS}/u%2F{i % 3}", True) for i in range(4)]


def recommended(harness: DaemonHarness) -> list[Any]:
    """What was published of lists, with the correlation data."""
    both = zip(harness.transport.published, harness.transport.correlations, strict=True)
    return [(message, correlation) for message, correlation in both if message[0] in (LISTS, "page/7")]


def test_a_restart_sends_the_same_answers_that_were_not_sent_before(tmp_path: Path) -> None:
    undisturbed = a_harness(tmp_path / "a", after="event")
    killed = a_harness(tmp_path / "b", after="event")
    killed.transport.connected = False
    for harness in (undisturbed, killed):
        harness.receive(*choices(20))
        harness.receive(request(21, "page/7", b"abc"))
        harness.wait(1.0)
    assert len(recommended(undisturbed)) == 21
    assert recommended(killed) == []
    killed.restart()
    killed.recover()
    killed.wait(1.0)
    # Response topic and correlation data are in the journal.
    assert recommended(killed) == recommended(undisturbed)
    # Those that are known to be sent are not sent again.
    undisturbed.restart()
    undisturbed.recover()
    undisturbed.wait(1.0)
    assert recommended(undisturbed) == []


def test_without_a_connection_answers_wait(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*choices(3))
    harness.transport.connected = False
    harness.receive(request(4, "page/7", b"abc"))
    assert harness.daemon.metrics()["answers_waiting"] == 1
    harness.transport.connected = True
    harness.wait(0.1)
    assert harness.transport.published[-1][0] == "page/7"
    assert harness.transport.correlations[-1] == b"abc"
