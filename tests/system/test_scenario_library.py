"""The library of scenarios as a person runs it: bars hold or fail as expected, with the figures that are known."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent_sims.result import SimulationResult, load_result
from edgedescent_sims.scenarios import library
from edgedescent_sims.simulate.runner import simulate
from support.once import made_once

QUICK = ("category-swap", "gradual-weights", "taste-shift", "choices-shift", "recurring-season", "target-unit")
"""Scenarios of every kind that run in a moment."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `edgedescent simulate --all` writes."""

    def simulate_all(folder: Path) -> None:
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["edgedescent", "simulate", "--all", "--jobs", "2", "--out", folder],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr
        assert "failed, as expected." in done.stdout.splitlines()[-2]

    return made_once(tmp_path_factory, "library", simulate_all)


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, SimulationResult]:
    return {name: load_result(folder / f"{name}.json") for name in library.names()}


def score(result: SimulationResult, candidate: str, name: str) -> float | None:
    (found,) = [each for each in result.candidates if each.name == candidate]
    return found.scores[name].value


def test_bars_fail_as_expected_or_hold(results: dict[str, SimulationResult]) -> None:
    assert [bar for result in results.values() for bar in result.failures] == []
    expected = {
        (result.name, bar.candidate)
        for result in results.values()
        for bar in result.bars
        if bar.failed and bar.expected
    }
    assert expected == {(name, each) for name in results for each in library.load(name).expected_failures}


def test_a_report_is_written(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    for name in library.names():
        assert f'id="scenario-{name}"' in text


def test_the_same_bytes_in_one_process_and_in_several(folder: Path) -> None:
    for result, _ in simulate([library.load(name) for name in QUICK]):
        written = json.loads((folder / f"{result.name}.json").read_bytes())
        command = written["command"]
        assert (
            msgspec.structs.replace(result, command=command).to_json() == (folder / f"{result.name}.json").read_bytes()
        )


def test_recommenders_are_scored_by_what_they_recommend(results: dict[str, SimulationResult]) -> None:
    for result in results.values():
        if result.kind == "ratings":
            for name in ("recall", "ndcg", "hit_rate", "coverage", "novelty"):
                assert (score(result, next(iter(result.candidates)).name, name) or 0) > 0, (result.name, name)


class TestChangesOfScaleAndRegime:
    """How soon learners recover from changes after which their statistics, or what they replay, no longer hold."""

    @pytest.mark.parametrize("candidate", ["linear", "network"])
    def test_a_resting_sensor(self, results: dict[str, SimulationResult], candidate: str) -> None:
        assert (score(results["resting-sensor"], candidate, "recovery") or math.inf) < 200
        assert (score(results["resting-sensor"], candidate, "early_mae") or math.inf) < 1

    def test_a_change_of_scale(self, results: dict[str, SimulationResult]) -> None:
        for name, most in (("unit-change", 800), ("target-unit", 200)):
            assert (score(results[name], "linear", "recovery") or math.inf) < most, name

    def test_a_sparse_indicator(self, results: dict[str, SimulationResult]) -> None:
        assert score(results["sparse-indicator"], "RunningMean", "mae") == pytest.approx(5.0, abs=0.1)
        for candidate in ("linear", "network"):
            assert (score(results["sparse-indicator"], candidate, "mae") or math.inf) < 0.3

    def test_a_label_that_becomes_larger(self, results: dict[str, SimulationResult]) -> None:
        for name, candidate, least, most in (
            # Replay lets go of what has become wrong, so that the network learns a flip as fast as a fresh one.
            ("sign-flip", "network", 0.1, 0.3),
            ("sign-flip", "network-without-replay", 0.2, 0.8),
            # The statistics of the label follow its scale.
            ("weight-jump", "network", 0.05, 0.6),
            ("weight-jump", "network-without-replay", 0.2, 1.5),
        ):
            value: Any = score(results[name], candidate, "early_mae")
            assert least <= value <= most, (name, candidate, value)


def test_a_fresh_learner_needs_a_few_hundred_events_where_the_sensor_moves() -> None:
    """The bar of the resting sensor is one that is held: by the same learners, without the rest."""
    from edgedescent_sims.simulate.twins import EventsAfter, errors_between

    scenario = library.load("resting-sensor")
    stream = EventsAfter(scenario.stream, number=5000)
    for candidate in scenario.candidates.values():
        errors = errors_between(stream, candidate.clone(), 5000, 7000)
        settled = errors.absolute_of(errors.number[600:]).mean()
        final = errors.absolute_of(errors.number[-500:]).mean()
        assert settled < 2 * final
