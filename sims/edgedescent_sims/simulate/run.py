"""Run of one candidate on one seed of a scenario: scores, curves, recoveries."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent.evaluation import (
    ErrorCurve,
    OptimumRegret,
    Prequential,
    RankingScores,
    error_floor,
    recovery,
    state_bytes,
    window_means,
)
from edgedescent.learners import Learner
from edgedescent_sims.result import Curve
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import Model, ProgressiveRun, is_ratings, predict_learn
from edgedescent_sims.simulate.twins import (
    Change,
    Errors,
    changes,
    common_numbers,
    errors_between,
    new_regime,
    old_regime,
)
from edgedescent_sims.sources.batch import Batch

EARLY_FROM, EARLY_TO = 100, 500
"""Events after a drift, from the first excluded to the last, whose mean error is `early_mae`."""
CURVE_POINTS = 400
"""Number of points of a curve around a drift."""

OnProgress = Callable[[int], None]
"""Called with the number of events so far."""


@dataclass(frozen=True)
class RecoveryRun:
    """Recovery from one drift: its scores, and the curves of the run and of its twin."""

    mark: int
    scores: dict[str, float | None]
    run: Curve
    twin: Curve


@dataclass(frozen=True)
class CandidateRun:
    """Outcome of one candidate on one seed."""

    scores: dict[str, float | None]
    curve: Curve
    recoveries: list[RecoveryRun]
    n_events: int
    us_per_event: float
    state_bytes: int | None
    alarms: list[int] = field(default_factory=list)


def fresh(candidate: Any) -> Model:
    """Untrained copy of a candidate or peer."""
    return candidate.clone() if isinstance(candidate, Learner) else dataclasses.replace(candidate)


def run_candidate(scenario: Scenario, name: str, on_progress: OnProgress = lambda _events: None) -> CandidateRun:
    """Run one candidate or peer over the stream of a scenario, and its twins.

    Args:
        scenario: The scenario, with the seeds of this repetition.
        name: Name of the candidate or peer.
        on_progress: Called about every 4096 events.
    """
    prototype = {**scenario.candidates, **scenario.peers}[name]
    model = fresh(prototype)
    found = changes(scenario)
    errors = Prequential()
    curve = ErrorCurve(length=scenario.stream.length())
    ranking = _Ranking(scenario, model) if scenario.kind == "ratings" and hasattr(model, "recommend") else None
    segments = [_Segment(change, scenario.window) for change in found]
    optimum = OptimumRegret()
    run = ProgressiveRun(scenario.stream, model, learn=ranking.learn if ranking else predict_learn)
    for scored in run:
        errors.update_many(scored.target, scored.prediction)
        curve.update_many(scored.number, scored.target, scored.prediction)
        optimum.update_many(scored.target, scored.prediction, scored.optimum)
        for segment in segments:
            segment.errors.update(scored)
        on_progress(run.n_events)
    scores: dict[str, float | None] = {**errors.summary(), **optimum.summary()}
    if ranking is not None:
        scores |= ranking.scores.summary()
    recoveries = [_recovery(scenario, prototype, segment) for segment in segments]
    for score in dict.fromkeys(score for recovered in recoveries for score in recovered.scores):
        scores[score] = _worst([recovered.scores.get(score) for recovered in recoveries])
    return CandidateRun(
        scores=scores,
        curve=Curve(curve.numbers.tolist(), curve.windowed(scenario.window).tolist()),
        recoveries=recoveries,
        n_events=run.n_events,
        us_per_event=run.cost.summary().get("us_per_event", 0.0),
        state_bytes=state_bytes(model.state_dict()) if hasattr(model, "state_dict") else None,
    )


class _Segment:
    """Errors around one drift, which recovery is scored from."""

    def __init__(self, change: Change, window: int) -> None:
        self.change = change
        # A window before the drift, and the window that the error there is the mean of.
        self.errors = Errors(change.mark.start - 2 * window, change.last)


def _recovery(scenario: Scenario, prototype: Any, segment: _Segment) -> RecoveryRun:
    """Score the recovery from a drift against twins, which run over the stream of one regime alone."""
    change, run = segment.change, segment.errors
    new = errors_between(new_regime(scenario, change), fresh(prototype), run.first, run.last)
    old = (
        None
        if change.is_marked
        else errors_between(old_regime(scenario, change), fresh(prototype), run.first, run.last)
    )
    start = change.mark.start
    number = common_numbers([errors.number[errors.number > start] for errors in (run, new, old) if errors is not None])
    if len(number) < 2:
        raise ConfigError(
            f"Only {len(number)} events of {scenario.stream.name} follow the drift {change.mark.label} at {start}.",
            "Let it start earlier, or make the stream longer.",
        )
    window = min(scenario.window, len(number) // 2)
    scores = recovery(
        run.absolute_of(number),
        new.absolute_of(number),
        None if old is None else old.absolute_of(number),
        window=window,
        floor=error_floor(new.target_of(number)),
    )
    named: dict[str, float | None] = {
        "duration": scores.duration,
        "max_performance_loss": scores.max_performance_loss,
        "regret": scores.regret,
        "recovery": scores.events_to_10_percent,
    }
    since = number - start
    early = (since > EARLY_FROM) & (since <= EARLY_TO)
    if early.any():
        named["early_mae"] = float(np.mean(run.absolute_of(number)[early]))
        named["early_mae_twin"] = float(np.mean(new.absolute_of(number)[early]))
    return RecoveryRun(
        mark=change.index,
        scores=named,
        run=_windowed(run.number, run.absolute_of(run.number), window),
        twin=_windowed(new.number, new.absolute_of(new.number), window),
    )


def _windowed(number: NDArray[np.int64], error: NDArray[np.float64], window: int) -> Curve:
    """Windowed error by the number of each window's last event, thinned to what a picture needs."""
    if len(error) < window:
        return Curve([], [])
    means = window_means(error, window)
    step = max(1, len(means) // CURVE_POINTS)
    return Curve(number[window - 1 :][::step].tolist(), means[::step].tolist())


class _Ranking:
    """Scores of the recommendations: at every n-th chosen item, it is looked for among those recommended before."""

    def __init__(self, scenario: Scenario, model: Model) -> None:
        self.scores = RankingScores(k=scenario.k)
        self._k = scenario.k
        self._every = scenario.rank_every
        self._liked_from = scenario.liked_from
        self._model = model

    def learn(self, model: Model, batch: Batch) -> NDArray[np.float64]:
        """Predict and learn a batch as `predict_learn` does, and rank before some of its events."""
        assert is_ratings(batch)  # noqa: S101
        is_ranked = (batch.number % self._every == 0) & (batch.y >= self._liked_from)
        edges = [0, *np.flatnonzero(is_ranked).tolist(), len(batch)]
        predictions = np.empty(len(batch))
        for start, end in itertools.pairwise(edges):
            part = batch.take(slice(start, end))
            if len(part) and is_ranked[start]:
                user, item = part.columns["user"][0], part.columns["item"][0]
                self.scores.update(model.recommend(user, k=self._k, exclude_seen=True), item)
            predictions[start:end] = predict_learn(model, part)
        return predictions


def _worst(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
