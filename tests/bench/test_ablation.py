"""The benchmark of ingredients: that each variant lacks what its name says, and how worth is computed."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.waiting import PATIENCE_S

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("river") is None, reason="The streams are extras: pip install 'edgedescent[bench]'"
)

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("ablation")


def names(ablation: ModuleType, without: str) -> list[str]:
    model = ablation.regressor("default", without)
    model.learn_one({"a": 1.0}, 1.0)
    found: list[str] = model.model.names()
    # Neighbours predict both at the same cost.
    return [name.replace("neighbours, on the", "neighbours for the") for name in found]


def test_each_variant_lacks_its_ingredient(ablation: ModuleType) -> None:
    whole = names(ablation, ablation.ALL)
    for without, text in {
        "networks": "network",
        "recursive least squares": "least squares",
        "members on the change": ", on the change",
        "members on the label": ", on the label",
        "neighbours": "neighbours",
        "stacks": "stack",
    }.items():
        assert any(text in name for name in whole)
        assert not any(text in name for name in names(ablation, without)), without


def test_every_variant_but_the_whole_differs_from_it(ablation: ModuleType) -> None:
    chosen = ablation.BUDGETS["default"]
    assert [name for name, change in ablation.VARIANTS.items() if change(chosen) == chosen] == [ablation.ALL]


@pytest.mark.parametrize("without", ["lags of the label", "guard against outlying labels"])
def test_what_is_left_out_changes_predictions(ablation: ModuleType, without: str) -> None:
    answers = []
    for variant in (ablation.ALL, without):
        model = ablation.regressor("tiny", variant)
        # A level that follows its own past, and single false labels.
        answers.append([model.predict_learn_one({}, 1e4 if i % 50 == 49 else float(i % 7)) for i in range(400)])
    assert answers[0] != answers[1]


def test_worth_is_the_error_without_over_the_error_with(ablation: ModuleType) -> None:
    def row(without: str, stream: str, mae: float, us: float) -> Any:
        return ablation.Row(without, stream, 100, mae, us)

    rows = [
        row(ablation.ALL, "a", 1.0, 10.0),
        row(ablation.ALL, "b", 2.0, 10.0),
        row("stacks", "a", 4.0, 5.0),
        row("stacks", "b", 2.0, 20.0),
        row("replay", "a", 0.5, 10.0),
        row("replay", "b", 1.0, 10.0),
    ]
    first, second = ablation.worth(rows)
    assert first == ablation.Worth("stacks", pytest.approx(2.0), 4.0, "a", 1.0, "b", pytest.approx(1.0))
    assert (second.without, second.mean) == ("replay", pytest.approx(0.5))
    assert "2.000" in ablation.as_table([first])


def test_it_runs_as_a_command() -> None:
    command = [sys.executable, "ablation.py", "--budget", "tiny", "--events", "100", "--only", "ChickWeights", "--json"]
    done = subprocess.run(command, cwd=BENCH, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {row["events"] for row in answer["rows"]} == {100}
    assert len(answer["ingredients"]) == 15
