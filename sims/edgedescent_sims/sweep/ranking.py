"""Ranking of the configurations of a sweep, with bootstrap intervals over seeds and scenarios."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

import edgedescent
from edgedescent.evaluation import bootstrap_interval
from edgedescent_sims.result import lower_is_better
from edgedescent_sims.sweep.losses import relative_losses
from edgedescent_sims.sweep.sweep import SweepResult

N_RESAMPLES = 1000
N_COMPARED_MAX = 200
"""Number of configurations, the best ones, of which the probability to be the best is estimated."""


class RelativeScore(msgspec.Struct, frozen=True):
    """Score relative to that of the reference, and its bootstrap intervals."""

    value: float
    seeds: tuple[float, float]
    """Interval over other seeds of the same scenarios."""
    seeds_level: float
    """Confidence of it; less than 0.95 for fewer than 6 seeds, 0 for a single one."""
    scenarios: tuple[float, float] | None
    """Interval over other scenarios like these; None for a single one."""
    scenarios_level: float


class Ranked(msgspec.Struct, frozen=True):
    """A configuration and what it reached."""

    rank: int
    number: int
    """Number of the configuration in the results."""
    label: str
    learner: dict[str, Any]
    is_default: bool
    n_missing: int
    """Number of runs that failed or have no score; more than none of them rank behind all others."""
    mean_rank: float
    """Mean over scenarios and seeds of the rank within each; ties share their mean rank, missing scores are last."""
    relative: RelativeScore | None
    """None if a score is missing."""
    p_best: float | None
    """Share of the bootstrap samples of scenarios, and of seeds within them, in which it is the best."""
    scores: dict[str, float | None]
    """Mean score over the seeds by scenario; None if one is missing."""


class Ranking(msgspec.Struct, frozen=True):
    """Configurations from the best to the worst."""

    score: str
    lower_is_better: bool
    reference: str
    """Label of the configuration that others are compared with: the defaults of the first learner."""
    n_runs: int
    n_failed: int
    configurations: list[Ranked]
    version: str = edgedescent.__version__

    def to_json(self) -> bytes:
        """JSON in two levels of indentation, ending with a line break."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=1) + b"\n"


def rank(result: SweepResult) -> Ranking:
    """Rank the configurations of a sweep.

    They are ordered by their score relative to that of the defaults of the first learner, averaged over scenarios and
    seeds: the geometric mean of the ratios of an error, the mean difference of a score of which more is better. Both
    give each scenario the same weight, whatever its scale.

    Args:
        result: The runs.
    """
    is_error = lower_is_better(result.sweep.score) is not False
    scores = np.array([result.scores(each.number) for each in result.configurations])
    losses = np.array([relative_losses(each, scores[0], is_error) for each in scores])
    mean_ranks = ranks(scores if is_error else -scores).mean(axis=(1, 2))
    missing = np.isnan(losses).sum(axis=(1, 2))
    means = np.where(missing == 0, np.where(missing[:, None, None] == 0, losses, 0.0).mean(axis=(1, 2)), math.inf)
    order = sorted(range(len(losses)), key=lambda i: (missing[i], means[i], mean_ranks[i], i))
    compared = [i for i in order if not missing[i]][:N_COMPARED_MAX]
    p_best = dict(zip(compared, probability_of_best(losses[compared]), strict=True)) if compared else {}
    ranked = []
    for place, i in enumerate(order, start=1):
        each = result.configurations[i]
        ranked.append(
            Ranked(
                rank=place,
                number=each.number,
                label=each.label,
                learner=dict(each.table),
                is_default=each.is_default,
                n_missing=int(missing[i]),
                mean_rank=float(mean_ranks[i]),
                relative=None if missing[i] else _relative(losses[i], math.exp if is_error else float.__neg__),
                p_best=p_best.get(i),
                scores={
                    name: None if np.isnan(of_seeds).any() else float(of_seeds.mean())
                    for name, of_seeds in zip(result.sweep.scenarios, scores[i], strict=True)
                },
            )
        )
    return Ranking(
        score=result.sweep.score,
        lower_is_better=is_error,
        reference=result.configurations[0].label,
        n_runs=len(result.outcomes),
        n_failed=len(result.failures),
        configurations=ranked,
    )


def ranks(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank of each configuration within each scenario and seed, from 1; ties share their mean rank, NaN is last.

    Args:
        losses: What is to be small, shape (configurations, scenarios, seeds).

    Example:
        >>> ranks(np.array([[[3.0]], [[1.0]], [[3.0]], [[np.nan]]])).ravel()
        array([2.5, 1. , 2.5, 4. ])
    """
    filled = np.where(np.isnan(losses), np.inf, losses)
    ordered = np.sort(filled, axis=0)
    found = np.empty_like(filled)
    for scenario in range(losses.shape[1]):
        for seed in range(losses.shape[2]):
            column, values = ordered[:, scenario, seed], filled[:, scenario, seed]
            below = np.searchsorted(column, values, side="left")
            found[:, scenario, seed] = (below + np.searchsorted(column, values, side="right") + 1) / 2
    return found


def probability_of_best(losses: NDArray[np.float64]) -> list[float]:
    """Share of bootstrap samples in which each configuration has the least mean loss.

    A sample draws scenarios with replacement, and for each of them seeds; all configurations are judged on the same
    sample. Of several that are equally good, the first counts.

    Args:
        losses: Losses without NaN, shape (configurations, scenarios, seeds).
    """
    count, n_scenarios, n_seeds = losses.shape
    rng = np.random.default_rng([0, count, n_scenarios, n_seeds])
    wins = np.zeros(count, dtype=np.int64)
    for _ in range(N_RESAMPLES):
        scenarios = rng.integers(n_scenarios, size=(n_scenarios, 1))
        seeds = rng.integers(n_seeds, size=(n_scenarios, n_seeds))
        wins[np.argmin(losses[:, scenarios, seeds].mean(axis=(1, 2)))] += 1
    return [float(share) for share in wins / N_RESAMPLES]


def _relative(losses: NDArray[np.float64], shown: Callable[[float], float]) -> RelativeScore:
    """Means and intervals of the losses of one configuration, as ratios or differences."""
    over_seeds = bootstrap_interval(losses.mean(axis=0))
    over_scenarios = bootstrap_interval(losses.mean(axis=1)) if len(losses) > 1 else None
    return RelativeScore(
        value=shown(float(losses.mean())),
        seeds=_ordered(shown(over_seeds.low), shown(over_seeds.high)),
        seeds_level=over_seeds.level,
        scenarios=None if over_scenarios is None else _ordered(shown(over_scenarios.low), shown(over_scenarios.high)),
        scenarios_level=0.0 if over_scenarios is None else over_scenarios.level,
    )


def _ordered(first: float, second: float) -> tuple[float, float]:
    return (min(first, second), max(first, second))
