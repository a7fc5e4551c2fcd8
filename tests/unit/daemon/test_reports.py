"""The status file is fresh from the first second on, and a message with dead letters is told of in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
