"""The benchmark of a steady stream: that it judges rightly, and that a short run tells what it should."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgedescent_sims.broker.process import find_mosquitto

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("steady")


def a_run(steady: ModuleType, *, mib: list[float], **options: Any) -> Any:
    run = steady.Run(500, 60.0 * len(mib), options.pop("bound", None))
    run.minutes = [steady.Minute(60.0 * (i + 1), m, 9.0, 1_000_000, 30_000, 1.0, 2.0, 3.0) for i, m in enumerate(mib)]
    run.latencies_ms = options.pop("latencies_ms", [1.0] * 99 + [19.0])
    run.lost = options.pop("lost", 0)
    return run


def passed(run: Any) -> list[bool]:
    return [verdict.passed for verdict in run.verdicts()]


def test_the_end_is_compared_with_the_fifth_minute(steady: ModuleType) -> None:
    assert passed(a_run(steady, mib=[10, 20, 30, 40, 50, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 52])) == [True] * 4
    run = a_run(steady, mib=[10, 20, 30, 40, 50, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 52.1])
    assert run.growth_mib == pytest.approx(2.1)
    assert passed(run) == [False, True, True, True]


def test_a_short_run_is_compared_with_its_first_third(steady: ModuleType) -> None:
    assert a_run(steady, mib=[10, 20, 21]).growth_mib == 11


def test_latency_is_judged_at_the_99th_percentile(steady: ModuleType) -> None:
    assert passed(a_run(steady, mib=[50], latencies_ms=[1.0] * 990 + [900.0] * 10)) == [True, True, False, True]
    assert passed(a_run(steady, mib=[50], latencies_ms=[1.0] * 991 + [900.0] * 9)) == [True, True, True, True]
    assert passed(a_run(steady, mib=[50], latencies_ms=[])) == [True, True, False, True]


def test_events_without_an_answer_and_too_much_written_are_told(steady: ModuleType) -> None:
    assert passed(a_run(steady, mib=[50], lost=1)) == [True, True, True, False]
    # A megabyte a minute is 1.44 GB a day.
    assert passed(a_run(steady, mib=[50, 50], bound=1_500_000_000)) == [True] * 5
    run = a_run(steady, mib=[50, 50], bound=1_400_000_000)
    assert passed(run) == [True, True, True, True, False]
    assert "1.4 GB" in run.verdicts()[-1].target
    assert json.loads(steady.as_json(run, {}, "again"))["passed"] is False
    assert "30,000" in steady.as_table(run)


def test_a_short_run_is_told_for_programs() -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    done = subprocess.run(
        [sys.executable, "bench/steady.py", "--seconds", "6", "--rate", "100", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout)
    # Whether it is fast enough depends on what else the machine does; that it answers each event does not.
    assert done.returncode == (0 if answer["passed"] else 1)
    assert answer["unanswered"] == 0
    assert 0 < answer["sent"] <= 601
    assert answer["minutes"]
    assert 0 < answer["latency_ms"]["0.5"] <= answer["latency_ms"]["0.99"]
    assert answer["written_bytes_per_day"] >= 0
