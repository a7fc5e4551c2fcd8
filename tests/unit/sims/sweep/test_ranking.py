"""Ranking of configurations, against values computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from edgedescent_sims.sweep.definition import sweep_of
from edgedescent_sims.sweep.jobs import Job, Outcome
from edgedescent_sims.sweep.losses import relative_losses
from edgedescent_sims.sweep.output import ranking_text
from edgedescent_sims.sweep.ranking import Ranking, probability_of_best, rank, ranks
from edgedescent_sims.sweep.sweep import run_sweep
from support.sweeps import scenarios

# Score of l2 = 0 (the default), 0.1 and 0.2, by scenario and seed.
SCORES = {
    "flip": {0.0: [8.0, 8.0], 0.1: [4.0, 2.0], 0.2: [16.0, 4.0]},
    "plain": {0.0: [1.0, 3.0], 0.1: [2.0, 3.0], 0.2: [0.5, None]},
}


def stated(job: Job) -> Outcome:
    score = SCORES[job.scenario["name"]][job.learner.get("l2", 0.0)][job.repetition]
    return Outcome(key=job.key, scores={"mae": score, "r2": score})


def ranked(folder: Path, score: str) -> Ranking:
    learner = {"type": "LinearRegressor", "search": {"l2": [0.0, 0.1, 0.2]}}
    sweep = sweep_of({"scenarios": scenarios(), "learner": learner, "method": "grid", "seeds": 2, "score": score})
    return rank(run_sweep(sweep, folder, runner=stated))


def test_errors_are_compared_by_the_geometric_mean_of_ratios(tmp_path: Path) -> None:
    ranking = ranked(tmp_path, "mae")
    assert ranking.lower_is_better
    assert ranking.reference == "LinearRegressor"
    best, default, incomplete = ranking.configurations
    assert (best.label, default.label, incomplete.label) == (
        "LinearRegressor l2=0.1",
        "LinearRegressor",
        "LinearRegressor l2=0.2",
    )
    # Ratios 1/2, 1/4, 2 and 1.
    assert best.relative is not None
    assert best.relative.value == pytest.approx((0.5 * 0.25 * 2 * 1) ** 0.25)
    # Of the first seed 1/2 and 2, of the second 1/4 and 1; two seeds give their range.
    assert best.relative.seeds == pytest.approx((0.5, 1.0))
    # Of the scenarios sqrt(1/8) and sqrt(2).
    assert best.relative.scenarios == pytest.approx((math.sqrt(1 / 8), math.sqrt(2)))
    assert best.relative.seeds_level == best.relative.scenarios_level == 0.5
    assert default.relative is not None
    assert default.relative.value == 1.0
    # Ranks 1, 1, 3 and 1.5; 2, 3, 2 and 1.5; 3, 2, 1 and, without a score, 3.
    assert [each.mean_rank for each in ranking.configurations] == [6.5 / 4, 8.5 / 4, 9 / 4]
    assert (incomplete.n_missing, incomplete.relative, incomplete.p_best) == (1, None, None)
    assert incomplete.scores == {"flip": 10.0, "plain": None}
    assert best.scores == {"flip": 3.0, "plain": 2.5}


def test_of_other_scores_more_is_better(tmp_path: Path) -> None:
    ranking = ranked(tmp_path, "r2")
    assert [each.label for each in ranking.configurations][:2] == ["LinearRegressor", "LinearRegressor l2=0.1"]
    second = ranking.configurations[1].relative
    assert second is not None
    # Differences -4, -6, 1 and 0.
    assert second.value == -2.25
    assert second.seeds == (-3.0, -1.5)


def test_the_probability_to_be_best_is_that_of_the_samples() -> None:
    # The first wins in one scenario, the second in the other: samples of two scenarios are 1/4, 1/2, 1/4.
    losses = np.array([[[0.0], [1.0]], [[0.9], [0.0]], [[5.0], [5.0]]])
    first, second, third = probability_of_best(losses)
    assert third == 0.0
    assert first + second == 1.0
    assert first == pytest.approx(0.25, abs=0.05)


def test_ties_share_their_rank_and_nan_is_last() -> None:
    found = ranks(np.array([[[1.0, np.nan]], [[1.0, np.nan]], [[0.0, 3.0]]]))
    assert found[:, 0, 0].tolist() == [2.5, 2.5, 1.0]
    assert found[:, 0, 1].tolist() == [2.5, 2.5, 1.0]


def test_an_error_of_zero_and_a_missing_reference_are_no_fault() -> None:
    losses = relative_losses(np.array([[0.0, 2.0]]), np.array([[1.0, np.nan]]), True)
    assert losses[0, 0] == pytest.approx(math.log(1e-12))
    assert losses[0, 1] == pytest.approx(math.log(2.0))
    assert relative_losses(np.array([[0.25]]), np.array([[np.nan]]), False) == -0.25


def test_the_table_says_what_was_gained(tmp_path: Path) -> None:
    text = ranking_text(ranked(tmp_path, "mae"))
    lines = text.splitlines()
    heading = "rank mae ratio over seeds over scenarios mean rank best configuration"
    assert " ".join(lines[0].split()) == heading
    assert " ".join(lines[1].split()).startswith("1 0.707 0.500 … 1.000 0.354 … 1.414 1.6 ")
    assert lines[2].endswith("LinearRegressor (default)")
    assert lines[3].endswith("LinearRegressor l2=0.2: 1 runs missing")
