"""Comparison of two checkouts: costs are read from both benchmarks, rows are judged by the ratio of their medians."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]

# A stand-in for the interpreter of a checkout: prints the next of its results.
PYTHON = """#!/bin/sh
n=$(cat round 2>/dev/null || echo 0)
echo $((n + 1)) > round
cat result-$n.json
exit 1
"""


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("compare")


def checkout(folder: Path, *costs: float) -> Path:
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    for i, cost in enumerate(costs):
        peers = [{"name": "River", "us_per_event_median": 9.0}, {"name": "EdgeDescent", "us_per_event_median": cost}]
        rows = [{"task": "dicts", "learners": peers}]
        (folder / f"result-{i}.json").write_text(json.dumps({"rows": rows}))
    return folder


def test_medians_of_runs_in_turn_are_compared(compare: ModuleType, tmp_path: Path) -> None:
    old, new = checkout(tmp_path / "old", 1.0, 9.0, 1.0), checkout(tmp_path / "new", 1.04, 1.04, 0.1)
    done = CliRunner().invoke(compare.main, ["learn", str(old), str(new), "--rounds", "3"])
    assert done.exit_code == 0, done.output
    assert "1.000      1.040      1.040  dicts\n" in done.output
    assert "0 rows slower than 1.05 times" in done.output


def test_a_slower_row_fails_the_comparison(compare: ModuleType, tmp_path: Path) -> None:
    old, new = checkout(tmp_path / "old", 1.0), checkout(tmp_path / "new", 1.06)
    done = CliRunner().invoke(compare.main, ["learn", str(old), str(new), "--rounds", "1"])
    assert done.exit_code == 1
    assert "1.060  dicts  SLOWER" in done.output


def test_a_run_without_a_result_ends_with_what_it_printed(compare: ModuleType, tmp_path: Path) -> None:
    old, new = checkout(tmp_path / "old"), checkout(tmp_path / "new", 1.0)
    done = CliRunner().invoke(compare.main, ["learn", str(old), str(new)])
    assert done.exit_code == 1
    assert "result-0.json" in done.output


def test_costs_of_the_daemon_are_wall_and_cpu_time_a_message(compare: ModuleType) -> None:
    ours = {"consumer": "EdgeDescent, power", "qos": 1, "events_per_message": 100}
    cases = [
        {
            "consumer": "mosquitto_sub",
            "qos": 1,
            "events_per_message": 1,
            "messages_per_s": 9.0,
            "cpu_us_per_message": 3,
        },
        {**ours, "messages_per_s": 1000.0, "cpu_us_per_message": 6.5},
    ]
    assert list(compare.daemon_costs({"cases": cases})) == [
        ("EdgeDescent, power, QoS 1, 100 events a message, wall", 1000.0),
        ("EdgeDescent, power, QoS 1, 100 events a message, CPU", 6.5),
    ]
