"""Trials of real streams on small tables: a daemon that is killed makes what pandas, or a loop here, makes."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from edgedescent_sims.broker.process import available_kinds

ROOT = Path(__file__).parents[2]


pytest.importorskip("pandas")
needs_mosquitto = pytest.mark.skipif("mosquitto" not in available_kinds(), reason="mosquitto is not installed")


@pytest.fixture
def fusion(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("fusion")


@pytest.fixture
def late_labels(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("late_labels")


@needs_mosquitto
def test_every_event_of_a_daemon_that_is_killed_is_that_of_pandas(fusion: ModuleType) -> None:
    outcome = fusion.run(fusion.Trial(fusion.made_up(150), "power", ahead="volt", kills=2))
    assert outcome.differences == []
    assert (outcome.n_asked, outcome.n_learned) == (150, 149)
    assert outcome.counters["readings_repeated"] > 10
    assert outcome.counters.get("readings_late", 0) == 0


def test_the_comparison_notices_a_difference(fusion: ModuleType) -> None:
    trial = fusion.Trial(fusion.made_up(30), "power")
    assert fusion.compare(trial.expected(), []) == [
        "0 events were made, in order and without a gap 30 were expected",
        "0 labels differ from the 29 expected ones",
    ]


@needs_mosquitto
def test_late_labels_are_learned_as_in_a_loop(late_labels: ModuleType, fusion: ModuleType) -> None:
    frame = fusion.made_up(200).rename(columns={"power": "cnt"})
    outcome = late_labels.run(late_labels.Trial(frame, never=0.05, twice=0.1, kills=1))
    assert outcome.differences == []
    assert min(outcome.counters[name] for name in ("labels_repeated", "labels_corrected", "questions_expired")) > 0
