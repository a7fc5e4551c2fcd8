"""Drift alarms of the daemon: published once durable, again after a crash unless known to be sent, and in `status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.daemon_harness import DaemonHarness

EAGER = {"type": "PageHinkley", "threshold": 1.0, "delta": 0.0, "min_instances": 2}
DRIFT = {"detector": EAGER, "inputs_max": 1}


def payloads(n: int = 150, start: int = 0) -> list[bytes]:
    """Events whose input changes after every 75."""
    return [
        json.dumps({"x": {"a": i * 7 % 11 + 50 * (i // 75)}, "y": i * 3 % 7}).encode() for i in range(start, start + n)
    ]


def a_harness(folder: Path, **tables: Any) -> DaemonHarness:
    return DaemonHarness(folder, **{"drift": DRIFT, **tables}).recover()


def published(harness: DaemonHarness) -> list[dict[str, Any]]:
    return harness.transport.of("drift")


def test_an_alarm_is_published_once_its_message_is_durable(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*payloads())
    raised = harness.daemon.engine.counters["drift_alarms"]
    assert raised > 0
    assert len(harness.transport.of("predictions")) == 150
    assert published(harness) == []
    harness.wait(1.0)
    harness.wait(1.0)
    assert [alarm["number"] for alarm in published(harness)] == list(range(1, raised + 1))


def test_a_crash_publishes_the_same_alarms_again_unless_they_are_known_to_be_sent(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*payloads())
    harness.wait(1.0)
    harness.wait(1.0)
    first = published(harness)
    assert first
    # As after kill -9: what was sent behind the last commit is not known to be.
    harness.restart()
    harness.recover()
    harness.wait(1.0)
    assert published(harness) == first
    # The next commit records it.
    harness.receive(*payloads(1, start=150))
    harness.wait(1.0)
    harness.receive(*payloads(1, start=151))
    harness.wait(1.0)
    harness.restart()
    harness.recover()
    harness.wait(1.0)
    assert [alarm for alarm in published(harness) if alarm in first] == []


def test_alarms_wait_for_a_connection_and_the_oldest_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = a_harness(tmp_path)
    monkeypatch.setattr("edgedescent.daemon.answers.OVERHEAD_BYTES", 30_000)
    harness.receive(*payloads(450))
    raised = harness.daemon.engine.counters["drift_alarms"]
    assert raised > 2
    harness.wait(1.0)
    harness.wait(1.0)
    assert [alarm["number"] for alarm in published(harness)] == [raised - 1, raised]
    assert harness.daemon.metrics()["drift_alarms_dropped"] == raised - 2


def test_the_status_shows_the_last_alarms(tmp_path: Path) -> None:
    harness = a_harness(tmp_path)
    harness.receive(*payloads(450))
    harness.wait(10.0)
    harness.wait(10.0)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["drift"] == published(harness)[-8:]
    assert status["drift_alarms"] == status["drift_alarms.error"] + status["drift_alarms.input"]


def test_an_alarm_is_logged_with_a_name_that_cannot_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harness = a_harness(tmp_path)
    caplog.set_level("INFO")
    harness.receive(*[one.replace(b'"a"', b'"a\\u001b[2J"') for one in payloads()])
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Drift alarm")]
    assert any("the mean of the input 'a\\x1b[2J' is " in line and " since event " in line for line in lines)


def test_nothing_is_watched_where_it_is_off(tmp_path: Path) -> None:
    harness = a_harness(tmp_path, drift={"enabled": False})
    harness.receive(*payloads())
    harness.wait(10.0)
    assert published(harness) == []
    assert harness.daemon.metrics()["drift_alarms"] == 0
    assert json.loads((tmp_path / "status.json").read_text())["drift"] == []
