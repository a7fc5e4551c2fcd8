"""The benchmark of evolution: that its two regressors differ in it alone, its streams, and its table."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from support.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("river") is None, reason="The streams are extras: pip install 'edgedescent[bench]'"
)

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def evolution(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("evolution")


def test_the_regressors_differ_in_evolution_alone(evolution: ModuleType) -> None:
    with_it, without = (evolution.regressor("large", evolves, 10_000).members for evolves in (True, False))
    assert with_it == evolution.BUDGETS["large"]
    assert without == with_it._replace(evolution=None) != with_it


def test_the_simulated_streams_change_when_their_names_say_so(evolution: ModuleType) -> None:
    jumping = list(islice(evolution.jumps(1250, 0, Path()), 2500))
    slow = list(islice(evolution.jumps(2500, 2500, Path()), 2500))
    turning = list(islice(evolution.returns(2000, Path()), 5000))
    assert len(jumping) == len(slow) == 2500
    X = np.array([[x[f"x{i}"] for i in range(5)] for x, _ in jumping])
    change = np.array([y for _, y in jumping]) - np.array([y for _, y in slow])
    assert not change[:1250].any()
    # A linear function of the first five features.
    weights, *_ = np.linalg.lstsq(X[1250:] - 0.5, change[1250:], rcond=None)
    np.testing.assert_allclose((X[1250:] - 0.5) @ weights, change[1250:], atol=1e-9)
    assert np.abs(weights).max() > 1.0
    slopes = [np.polyfit([x["x3"] for x, _ in part], [y for _, y in part], 1)[0]
              for part in (turning[1000:2000], turning[2000:3000], turning[3000:4000], turning[4000:5000])]  # fmt: skip
    assert [slope > 0.0 for slope in slopes] == [True, False, True, False]


def test_the_streams_that_lose_come_first(evolution: ModuleType) -> None:
    rows = [evolution.Row(name, 50_000, 1.5, ratio, 0.9, 40) for name, ratio in (("won", 0.95), ("lost", 1.02))]
    lines = evolution.as_table(rows).splitlines()
    assert [line.split()[0] for line in lines] == ["stream", "lost", "won"]
    assert lines[1].split()[1:] == ["50,000", "1.5", "1.020", "0.900", "40"]


def test_it_runs_as_a_command() -> None:
    command = [sys.executable, "evolution.py", "--quick", "--only", "by turns", "--json"]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    (row,) = answer["rows"]
    assert (row["events"], row["replaced"]) == (1500, 2)
    assert row["ratio"] == answer["mean"] != 1.0
