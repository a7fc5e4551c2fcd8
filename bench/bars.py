"""Verdicts of adaptation.py: ratios to the best peer of each stream, their geometric means, and the bars on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from contestants import BUDGETS, REGRESSORS
from recordings import Recording
from trials import BEFORE, Score

Measure = Literal["mae", "rmse"]

GEOMETRIC_MEAN_MAX: dict[Measure, dict[str, float]] = {
    "mae": {"default": 0.78, "small": 0.82, "tiny": 0.85},
    "rmse": {"default": 0.85},
}
WORST_MAX: dict[Measure, dict[str, float]] = {
    "mae": {"default": 1.00, "small": 1.02, "tiny": 1.10},
    "rmse": {"default": 1.02},
}
COST_MAX = {"default": 1.5, "small": 0.5, "tiny": 0.15}
"""Cost of a budget over that of MLPRegressor() of version 0.1.0."""
COST_OF_SGBR_MAX = 0.2
OUTLIERS_MAX = 1.15
NETWORK_WORST_MAX, NETWORK_MEAN_MAX = 1.01, 0.90
"""MAE of MLPRegressor() over that of version 0.1.0."""

LINEAR = frozenset(one.name for one in REGRESSORS if one.linear and one.role == "peer")


@dataclass
class Outcome:
    """All that was found on one stream."""

    recording: Recording
    events: int
    scores: list[Score]
    outlying: list[Score] = field(default_factory=list)
    """Scores of ours where some labels are outlying."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Reasons why learners are not among the scores."""

    def of(self, learner: str, scores: Sequence[Score] | None = None) -> Score | None:
        """The score of a learner."""
        return next((one for one in (self.scores if scores is None else scores) if one.learner == learner), None)

    def best_peer(self, measure: Measure, among: frozenset[str] | None = None) -> Score | None:
        """The peer with the smallest error."""
        peers = [one for one in self.scores if one.role == "peer" and (among is None or one.learner in among)]
        return min(peers, key=lambda one: finite(getattr(one, measure)), default=None)

    def ratio(self, learner: str, measure: Measure, among: frozenset[str] | None = None) -> float | None:
        """The error of a learner over that of the best peer; None if one of them did not run."""
        ours, best = self.of(learner), self.best_peer(measure, among)
        return None if ours is None or best is None else over(getattr(ours, measure), getattr(best, measure))


@dataclass(frozen=True)
class Bar:
    """A figure, and the most that it may be."""

    name: str
    reached: float
    at_most: float
    where: str = ""
    """Stream of the worst figure."""

    @property
    def passed(self) -> bool:
        """True if the figure is at most the bar; NaN never is."""
        return self.reached <= self.at_most

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"{self.name}: {self.reached:.3f}{where}, at most {self.at_most:g}: {'pass' if self.passed else 'FAIL'}"


def finite(value: float) -> float:
    """The error, infinite where it is not a number."""
    return value if math.isfinite(value) else math.inf


def over(value: float, base: float) -> float:
    """The ratio of two errors; of two perfect ones it is 1."""
    value, base = finite(value), finite(base)
    if value == base:
        return 1.0
    return value / base if base else math.inf


def geometric_mean(ratios: Iterable[float]) -> float:
    """The geometric mean of ratios above 0."""
    found = list(ratios)
    return math.exp(sum(math.log(ratio) if ratio else -math.inf for ratio in found) / len(found))


def mean_and_worst(name: str, ratios: dict[str, float], mean_max: float | None, worst_max: float | None) -> list[Bar]:
    """Bars on the geometric mean and the largest of the ratios of streams."""
    if not ratios:
        return []
    worst = max(ratios, key=lambda stream: ratios[stream])
    bars = []
    if mean_max is not None:
        bars.append(Bar(f"{name}, geometric mean", geometric_mean(ratios.values()), mean_max))
    if worst_max is not None:
        bars.append(Bar(f"{name}, worst", ratios[worst], worst_max, worst))
    return bars


def by_stream(outcomes: Sequence[Outcome], ratio: Callable[[Outcome], float | None]) -> dict[str, float]:
    """The ratio on each stream that has one."""
    found = {outcome.recording.name: ratio(outcome) for outcome in outcomes}
    return {stream: value for stream, value in found.items() if value is not None}


def ratios(outcomes: Sequence[Outcome], learner: str, measure: Measure) -> dict[str, float]:
    """The error of a learner over that of the best peer, by stream."""
    return by_stream(outcomes, lambda outcome: outcome.ratio(learner, measure))


def outlier_ratios(outcomes: Sequence[Outcome], learner: str) -> dict[str, float]:
    """The MAE of a learner with outlying labels over that with clean ones, by stream."""

    def ratio(outcome: Outcome) -> float | None:
        clean, other = outcome.of(learner), outcome.of(learner, outcome.outlying)
        return None if clean is None or other is None else over(other.mae, clean.mae)

    return by_stream(outcomes, ratio)


def network_ratios(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The MAE of MLPRegressor() over that of version 0.1.0, by stream."""

    def ratio(outcome: Outcome) -> float | None:
        now, before = outcome.of("MLPRegressor"), outcome.of(BEFORE)
        return None if now is None or before is None else over(now.mae, before.mae)

    return by_stream(outcomes, ratio)


def bars(outcomes: Sequence[Outcome]) -> list[Bar]:
    """All bars on errors, for the streams of features that ran."""
    measured: list[Bar] = []
    measures: tuple[Measure, ...] = ("mae", "rmse")
    for measure in measures:
        for budget in BUDGETS:
            learner = f"AutoRegressor, {budget}"
            measured += mean_and_worst(
                f"{learner}, {measure.upper()} over the best peer's",
                ratios(outcomes, learner, measure),
                GEOMETRIC_MEAN_MAX[measure].get(budget),
                WORST_MAX[measure].get(budget),
            )
    for budget in BUDGETS:
        learner = f"AutoRegressor, {budget}"
        measured += mean_and_worst(
            f"{learner}, MAE with outlying labels over that without",
            outlier_ratios(outcomes, learner),
            OUTLIERS_MAX,
            None,
        )
    linear = by_stream(outcomes, lambda outcome: outcome.ratio("LinearRegressor", "mae", LINEAR))
    measured += mean_and_worst("LinearRegressor, MAE over the best linear peer's", linear, None, 1.0)
    measured += mean_and_worst(
        "MLPRegressor, MAE over that of version 0.1.0", network_ratios(outcomes), NETWORK_MEAN_MAX, NETWORK_WORST_MAX
    )
    return measured
