"""The status file is fresh from the first second on, and a message with dead letters is told of in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness, event


def status_of(harness: DaemonHarness) -> dict[str, Any]:
    (path,) = Path(harness.config.state.path).rglob("status.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_a_status_right_after_the_start_shows_what_was_learned(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, metrics={"interval_s": 10.0}).recover()
    harness.wait(0.1)
    harness.receive(*(event(i) for i in range(5)))
    harness.wait(1.5)
    assert status_of(harness)["events_learned"] == 5


def test_the_line_on_many_dead_letters_stands_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harness = DaemonHarness(tmp_path).recover()
    harness.receive(b'[{"x": 7}, {"x": 8}, {"y": 1}]')
    (line,) = [record.getMessage() for record in caplog.records if "only the first" in record.getMessage()]
    assert line == "Message 1 from 'edgedescent/pump/events' has 3 dead letters; only the first one is logged."


def test_the_metrics_hold_inputs_and_newest_dead_letters_for_people(tmp_path: Path) -> None:
    meter = {"topics": ["meter"], "fields": {"power": "P"}, "silent_after_s": 5.0}
    room = {"topics": ["room/{name}"], "format": "scalar", "max_age_s": 5.0}
    label = {"input": "meter", "feature": "meter.power", "horizon_s": 60.0}
    tables = {"inputs": {"meter": meter, "room": room}, "label": label, "assembly": {"emit": "meter"}}
    harness = DaemonHarness(tmp_path, **tables).recover()
    harness.receive(Delivery("meter", b'{"P": 5}'), Delivery("room/hall", b"w" * 300))
    harness.receive(Delivery("meter", b'{"P": 6}'), *(Delivery("meter", b"x%d" % n) for n in range(7)))
    harness.wait(6.0)
    harness.wait(5.0)
    metrics = harness.transport.of("metrics")[-1]
    power, hall = metrics["inputs"]["features"]
    assert (power["feature"], power["input"], power["value"]) == ("meter.power", "meter", 6.0)
    assert (power["age_s"], power["missing"], power["missing_share"]) == (pytest.approx(11.0, abs=0.1), False, 0.0)
    assert (hall["value"], hall["missing"]) == ("w" * 200 + "… (100 more)", True)
    # It was there for the second of two events.
    assert hall["missing_share"] == 0.0
    assert (metrics["inputs"]["left_out"], metrics["inputs"]["silent"]) == (0, ["meter"])
    assert [one["reason"] for one in metrics["dead_letters_newest"]] == ["malformed"] * 5
    assert "dead_letters_newest" not in status_of(harness)
    harness.receive(Delivery("room/attic", b"unavailable"), Delivery("meter", b'{"P": 7}'))
    for n in range(120):
        harness.receive(Delivery(f"room/{n}", b"1"))
    harness.wait(11.0)
    inputs = harness.transport.of("metrics")[-1]["inputs"]
    assert (len(inputs["features"]), inputs["left_out"]) == (100, 23)
    # Since the text of the hall came first, there were two more events, in one of which it was too old.
    assert [one["missing_share"] for one in inputs["features"][1:3]] == [0.5, 1.0]


def test_where_the_broker_takes_little_the_metrics_come_without_details(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path).recover()
    harness.receive(b"nonsense")
    harness.transport.payload_bytes_max = lambda _topic: 3000  # type: ignore[method-assign, assignment]
    harness.wait(11.0)
    assert "dead_letters_newest" in harness.transport.of("metrics")[-1]
    size = len(json.dumps(harness.transport.of("metrics")[-1]))
    harness.transport.payload_bytes_max = lambda _topic: size - 50  # type: ignore[method-assign, assignment]
    harness.wait(11.0)
    metrics = harness.transport.of("metrics")[-1]
    assert metrics["dead_letters"] == 1
    assert "dead_letters_newest" not in metrics
    assert harness.daemon.metrics()["publications_too_large"] == 0


def test_details_are_left_out_where_they_are_not_wanted(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, metrics={"details": False}).recover()
    harness.receive(b"nonsense")
    harness.wait(11.0)
    assert "dead_letters_newest" not in harness.transport.of("metrics")[-1]


def test_alarms_are_among_the_details(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path).recover()
    for n in range(20):
        harness.receive(*(b'{"x": {"a": %d}, "y": %d}' % (i % 5, 50 * (n // 10)) for i in range(100)))
    harness.wait(11.0)
    metrics = harness.transport.of("metrics")[-1]
    assert metrics["drift_newest"][0] == harness.transport.of("drift")[-1]
