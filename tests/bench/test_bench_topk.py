"""The benchmark of recommendations over MQTT: that it judges rightly, and that a short run tells what it should."""

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
def topk(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("topk")


def passed(topk: ModuleType, **measured: Any) -> list[bool]:
    good = {"latencies_ms": [1.0] * 99 + [19.0], "memory_mib": 60.0, "kills": 20, "compared": 5000}
    return [verdict.passed for verdict in topk.Run(1000, 50, 60.0, 10_000, **{**good, **measured}).verdicts()]


def test_each_target_can_be_missed(topk: ModuleType) -> None:
    assert passed(topk) == [True] * 4
    assert passed(topk, latencies_ms=[1.0] * 989 + [900.0] * 11) == [False, True, True, True]
    assert passed(topk, latencies_ms=[]) == [False, True, True, True]
    assert passed(topk, unanswered=1) == [True, False, True, True]
    assert passed(topk, memory_mib=100.0) == [True, True, False, True]
    assert passed(topk, differing=1) == [True, True, True, False]
    assert passed(topk, parts_differing=["popularity"]) == [True, True, True, False]
    assert passed(topk, compared=0) == [True, True, True, False]
    assert passed(topk, kills=0, compared=0) == [True, True, True]


def test_a_short_run_with_a_kill_is_told_for_programs() -> None:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    options = ["--seconds", "1", "--rate", "200", "--items", "300", "--warm-up", "600", "--kills", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "bench/topk.py", *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    answer = json.loads(done.stdout)
    # Whether it is fast enough depends on what else the machine does.
    assert done.returncode == (0 if answer["passed"] else 1)
    assert answer["unanswered"] == answer["differing"] == 0
    assert answer["parts_differing"] == []
    assert (answer["kills"], answer["compared"]) == (1, 5000)
    assert answer["events"] > 600
    assert 0 < answer["latency_ms"]["0.5"] <= answer["latency_ms"]["0.99"]
