"""The benchmarks of late labels and of losses: that they run, and that each of their learners is another one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("river") is None, reason="The streams are extras: pip install 'edgedescent[bench]'"
)

BENCH = Path(__file__).parents[2] / "bench"


def rows(script: str, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, script, "--budget", "tiny", "--only", "ChickWeights", *options, "--json"]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return found


def test_late_and_missing_labels_are_told() -> None:
    (row,) = rows("delays.py", "--events", "200")
    assert row["events"] == 200
    assert [*row["mae"]] == [*row["untold"]] == [*row["last_value"]] == ["1 late", "6 late", "24 late", "30% missing"]
    assert all(row["mae"][case] != row["untold"][case] for case in row["mae"])


def test_each_loss_is_measured() -> None:
    (row,) = rows("losses.py", "--events", "400")
    assert row["rmse"] != 1.0
    assert row["share_below"]["0.1"] < 0.3 < row["share_below"]["0.9"]
