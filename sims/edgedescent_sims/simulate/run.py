"""Run of one candidate on one seed of a scenario: scores, curves, recoveries."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent.evaluation import (
    ErrorCurve,
    OptimumRegret,
    Prequential,
    error_floor,
    recovery,
    state_bytes,
    window_means,
)
from edgedescent.learners import Learner
from edgedescent_sims.result import Curve
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.alarms import Alarms
from edgedescent_sims.simulate.progressive import Model, ProgressiveRun, Scored, predict_learn
from edgedescent_sims.simulate.ranked import RankedLists, hits_recovered
from edgedescent_sims.simulate.tasks import Report
from edgedescent_sims.simulate.twins import (
    Change,
    Errors,
    changes,
    common_numbers,
    errors_between,
    new_regime,
    old_regime,
)

EARLY_FROM, EARLY_TO = 100, 500
"""Events after a drift, from the first excluded to the last, whose mean error is `early_mae`."""
CURVE_POINTS = 400
"""Number of points of a curve around a drift."""


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


def run_candidate(scenario: Scenario, name: str, report: Report = lambda _events, _error: None) -> CandidateRun:
    """Run one candidate or peer over the stream of a scenario, and its twins.

    Args:
        scenario: The scenario, with the seeds of this repetition.
        name: Name of the candidate or peer.
        report: Called about every 4096 events.
    """
    prototype = {**scenario.candidates, **scenario.peers}[name]
    model = fresh(prototype)
    scores = RunScores(scenario)
    ranking = _lists_of(scenario, model)
    run = ProgressiveRun(scenario.stream, model, learn=ranking.learn if ranking else predict_learn)
    for scored in run:
        scores.update(scored)
        report(run.n_events, scores.recent_error)
    return scores.finish(
        prototype,
        ranking=ranking,
        n_events=run.n_events,
        us_per_event=run.cost.summary().get("us_per_event", 0.0),
        state_bytes=state_bytes(model.state_dict()) if hasattr(model, "state_dict") else None,
    )


class RunScores:
    """Scores of one run over the stream of a scenario, wherever its predictions come from.

    Args:
        scenario: The scenario, with the seeds of this repetition.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._errors = Prequential()
        self._curve = ErrorCurve(length=scenario.stream.length())
        self._optimum = OptimumRegret()
        self._alarms = None if scenario.detector is None else Alarms(scenario.detector, scenario.seed)
        self._segments = [_Segment(change, scenario.window) for change in changes(scenario)]

    def update(self, scored: Scored) -> None:
        """Score the events of a batch."""
        self._errors.update_many(scored.target, scored.prediction)
        self._curve.update_many(scored.number, scored.target, scored.prediction)
        self._optimum.update_many(scored.target, scored.prediction, scored.optimum)
        if self._alarms is not None:
            self._alarms.update(scored)
        for segment in self._segments:
            segment.errors.update(scored)

    @property
    def recent_error(self) -> float | None:
        """Recent mean absolute error; None before the second event."""
        return self._errors.summary().get("mae_recent")

    def finish(
        self,
        prototype: Any,
        *,
        n_events: int,
        us_per_event: float,
        ranking: RankedLists | None = None,
        state_bytes: int | None = None,
    ) -> CandidateRun:
        """Score the recoveries, and put everything together.

        Args:
            prototype: Learner or peer whose twins define the recoveries; None where it is unknown: no recovery is
                scored then.
            n_events: Number of events that were predicted.
            us_per_event: Cost of one.
            ranking: Lists of recommended items; None where there are none.
            state_bytes: Size of the learned state; None where it is unknown.
        """
        scores: dict[str, float | None] = {**self._errors.summary(), **self._optimum.summary()}
        scores |= {} if ranking is None else ranking.scores.summary()
        if self._alarms is not None:
            scores |= self._alarms.scores(self._scenario.marks(), self._scenario.alarm_window)
        segments = [] if prototype is None else self._segments
        recoveries = [_recovery(self._scenario, prototype, segment, ranking) for segment in segments]
        for score in dict.fromkeys(score for recovered in recoveries for score in recovered.scores):
            scores[score] = _worst([recovered.scores.get(score) for recovered in recoveries])
        return CandidateRun(
            scores=scores,
            curve=Curve(self._curve.numbers.tolist(), self._curve.windowed(self._scenario.window).tolist()),
            recoveries=recoveries,
            n_events=n_events,
            us_per_event=us_per_event,
            state_bytes=state_bytes,
            alarms=[] if self._alarms is None else self._alarms.numbers,
        )


class _Segment:
    """Errors around one drift, which recovery is scored from."""

    def __init__(self, change: Change, window: int) -> None:
        self.change = change
        # A window before the drift, and the window that the error there is the mean of.
        self.errors = Errors(change.mark.start - 2 * window, change.last)


def _recovery(scenario: Scenario, prototype: Any, segment: _Segment, ranking: RankedLists | None) -> RecoveryRun:
    """Score the recovery from a drift against twins, which run over the stream of one regime alone."""
    change, run = segment.change, segment.errors
    twin = fresh(prototype)
    lists = None if ranking is None else RankedLists(scenario, twin, drift_at=change.mark.start, is_twin=True)
    learn = predict_learn if lists is None else lists.learn
    new = errors_between(new_regime(scenario, change), twin, run.first, run.last, learn)
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
    if ranking is not None and lists is not None:
        named |= hits_recovered(ranking, lists, start, change.last)
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


def _lists_of(scenario: Scenario, model: Model) -> RankedLists | None:
    """Return what ranks in a run; None where nothing is recommended."""
    if scenario.kind != "ratings" or not hasattr(model, "recommend"):
        return None
    return RankedLists(scenario, model, drift_at=min((change.mark.start for change in changes(scenario)), default=None))


def _windowed(number: NDArray[np.int64], error: NDArray[np.float64], window: int) -> Curve:
    """Windowed error by the number of each window's last event, thinned to what a picture needs."""
    if len(error) < window:
        return Curve([], [])
    means = window_means(error, window)
    step = max(1, len(means) // CURVE_POINTS)
    return Curve(number[window - 1 :][::step].tolist(), means[::step].tolist())


def _worst(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None
