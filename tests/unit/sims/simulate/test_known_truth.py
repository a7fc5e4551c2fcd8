"""Scores of runs whose truth is known: regret, recovery and alarms derived by hand, and by a naive implementation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest
from msgspec import Meta

from edgedescent import LinearRegressor
from edgedescent.evaluation import error_floor
from edgedescent_sims.drift import CovariateShift, MarkedDrift, SignFlip, WeightChange
from edgedescent_sims.faults import DroppedMessages
from edgedescent_sims.peers import LastValue, Peer
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.run import run_candidate
from edgedescent_sims.simulate.twins import changes, new_regime, old_regime
from edgedescent_sims.sources import LinearStream, Source
from reference.evaluation import recovery as naive_recovery

WEIGHTS = (2.0, -1.0)
AT = 1000


@dataclass(kw_only=True, eq=False)
class Lagging(Peer):
    """Knows the function, but goes on with the old weight of x0 for some events after it has changed."""

    input_kind: ClassVar[Literal["features", "ratings", "both"]] = "features"
    lag: Annotated[int, Meta(ge=0, description="Number of events for which it does not know the new weight")] = 0
    at: Annotated[int, Meta(ge=0, description="Number of the last event before the change")] = AT

    def _start(self) -> None:
        self.n_seen = 0

    def _predict(self, *event: Any) -> float:
        (x,) = event
        # A twin never sees the old weight, and this one never learns: both know the function that holds.
        w0 = WEIGHTS[0] if self.is_old() else WEIGHTS[0] + 3.0
        return float(w0 * x["x0"] + WEIGHTS[1] * x["x1"])

    def is_old(self) -> bool:
        return self.n_seen < self.at + self.lag

    def _learn(self, *event_and_label: Any) -> None:  # noqa: ARG002 - it only counts
        self.n_seen += 1


@dataclass(kw_only=True, eq=False)
class Lagged(Lagging):
    """The same, but it finds the new weight from its labels, so that its twin has known it from the start."""

    def _start(self) -> None:
        super()._start()
        self.n_new = 0

    def is_old(self) -> bool:
        return self.n_new < self.lag and not (self.n_seen == self.n_new and self.n_new > 0)

    def _learn(self, *event_and_label: Any) -> None:
        x, y = event_and_label
        self.n_new += abs(y - (WEIGHTS[0] + 3.0) * x["x0"] - WEIGHTS[1] * x["x1"]) < 1e-9
        super()._learn(x, y)


def changed_weight(**more: Any) -> WeightChange:
    source = LinearStream(weights=WEIGHTS, n_events=2000, noise=0.0, **more)
    return WeightChange(source, columns=("x0",), deltas=(3.0,), at=AT, centers=(0.0,), scales=(1.0,))


def values(stream: Source, name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([batch.column(name) for batch in stream.batches()])


def test_regret_and_recovery_derived_by_hand() -> None:
    lag = 150
    scenario = Scenario(stream=changed_weight(), peers={"lagging": Lagged(lag=lag)}, window=50)
    run = run_candidate(scenario, "lagging")
    x0 = values(scenario.stream, "x0")
    # Until it knows the new weight, its error is three times x0; after that nothing.
    excess = np.abs(3.0 * x0[AT : AT + lag])
    assert run.scores["excess_absolute"] == pytest.approx(excess.sum() / 2000, rel=1e-9)
    assert run.scores["excess_squared"] == pytest.approx((excess**2).sum() / 2000, rel=1e-9)
    (recovery,) = run.recoveries
    # The twin errs in its first event alone, long before the drift, so that the regret is the error itself.
    assert recovery.scores["regret"] == pytest.approx(excess.sum(), rel=1e-6)
    # It errs in the first 150 events and never again: windows forget it as soon as they begin behind them.
    assert recovery.scores["recovery"] == lag
    assert recovery.scores["duration"] == lag
    assert recovery.scores["early_mae"] == pytest.approx(excess[100:].sum() / 400, rel=1e-9)
    assert run.scores["recovery"] == lag


def test_alarms_derived_by_hand() -> None:
    scenario = Scenario(
        stream=changed_weight(), peers={"lagging": Lagging(lag=5000)}, detector="PageHinkley", alarm_window=200
    )
    run = run_candidate(scenario, "lagging")
    # The first errors are all 0, in the middle of what a detector gets, so that any other is at its upper end. Then
    # Page-Hinkley with its defaults: after 30 events, the sum of the values above their mean less 0.005 is more than
    # 50 above its least.
    errors = np.where(np.arange(1, 2001) > AT, 1.0, 0.5)
    total, mean, least, alarm = 0.0, 0.0, math.inf, None
    for n, error in enumerate(errors.tolist(), start=1):
        mean += (error - mean) / n
        total = 0.9999 * total + error - mean - 0.005
        least = min(least, total)
        if n >= 30 and total - least > 50:
            alarm = n
            break
    assert alarm is not None
    assert run.alarms[0] == alarm
    assert run.scores["alarm_delay"] == alarm - AT
    assert run.scores["missed_drifts"] == 0


def one_by_one(stream: Source, learner: LinearRegressor) -> dict[int, tuple[float, float]]:
    """Target and absolute error of each event, one event at a time."""
    errors = {}
    for event, target in zip(stream.events("e-"), values_of_target(stream), strict=True):
        prediction = learner.predict_one(event["x"])
        learner.learn_one(event["x"], event["y"])
        errors[int(event["id"].removeprefix("e-"))] = (target, abs(target - prediction))
    return errors


def values_of_target(stream: Source) -> list[float]:
    return [target for batch in stream.batches() for target in batch.target.tolist()]


def two_drifts(first: bool, second: bool, at: tuple[int, int] = (600, 1400)) -> Source:
    """Two drifts, each at its place, or from the first event on where its place is 0; and a fault on top."""
    stream: Source = LinearStream(weights=(1.0, 2.0, -1.5), n_events=2000, noise=0.1)
    if first:
        stream = SignFlip(stream, columns=("x0",), centers=(0.0,), at=at[0])
    if second:
        stream = CovariateShift(stream, columns=("x1",), offsets=(4.0,), at=at[1])
    return DroppedMessages(stream, rate=0.1, seed=5)


def test_twins_and_recovery_equal_a_naive_implementation() -> None:
    stream = two_drifts(first=True, second=True)
    scenario = Scenario(stream=stream, candidates={"linear": LinearRegressor()}, window=100)
    run = run_candidate(scenario, "linear")
    # The streams of the twins, built by hand: a drift that holds from the first event on has its place at 0.
    old_new = [
        (two_drifts(first=False, second=False), two_drifts(first=True, second=False, at=(0, 0)), 600, 1400),
        (
            two_drifts(first=True, second=False, at=(0, 0)),
            two_drifts(first=True, second=True, at=(0, 0)),
            1400,
            2000,
        ),
    ]
    own = one_by_one(stream, LinearRegressor())
    for recovery, (old, new, start, last) in zip(run.recoveries, old_new, strict=True):
        numbers = [number for number in own if start < number <= last]
        twins = [one_by_one(each, LinearRegressor()) for each in (new, old)]
        floor = error_floor([twins[0][number][0] for number in numbers])
        errors = [[each[number][1] for number in numbers] for each in (own, *twins)]
        duration, loss, regret, within = naive_recovery(errors[0], errors[1], errors[2], 100, floor)
        assert recovery.scores["duration"] == duration
        assert recovery.scores["recovery"] == within
        assert recovery.scores["max_performance_loss"] == pytest.approx(loss, rel=1e-9)
        assert recovery.scores["regret"] == pytest.approx(regret, rel=1e-9)


def test_a_twin_sees_the_same_events_behind_the_drift() -> None:
    scenario = Scenario(stream=two_drifts(first=True, second=True))
    for change in changes(scenario):
        tail = {e["id"]: e for e in scenario.stream.events("e-") if change.mark.end < int(e["id"][2:]) <= change.last}
        twin = {event["id"]: event for event in new_regime(scenario, change).events("e-")}
        assert all(twin[key] == event for key, event in tail.items())
        head = {
            event["id"]: event for event in scenario.stream.events("e-") if int(event["id"][2:]) <= change.mark.start
        }
        before = {event["id"]: event for event in old_regime(scenario, change).events("e-")}
        since = max((other.mark.end for other in changes(scenario) if other.mark.end < change.mark.start), default=0)
        assert all(before[key] == event for key, event in head.items() if int(key[2:]) > since)


def test_the_twin_of_a_marked_drift_starts_at_the_mark() -> None:
    stream = MarkedDrift(LinearStream(n_events=1000, n_features=2), title="new pump", at=400)
    scenario = Scenario(stream=stream, candidates={"linear": LinearRegressor()}, window=50)
    (change,) = changes(scenario)
    assert next(iter(new_regime(scenario, change).events("e-")))["id"] == "e-401"
    (recovery,) = run_candidate(scenario, "linear").recoveries
    # It has learned all along, and the twin knows nothing yet.
    assert recovery.scores["regret"] is not None
    assert recovery.scores["regret"] < 0
    assert recovery.scores["recovery"] == 0


def test_a_learner_that_does_not_notice_has_nothing_to_recover_from() -> None:
    scenario = Scenario(stream=changed_weight(), peers={"last": LastValue()})
    (recovery,) = run_candidate(scenario, "last").recoveries
    assert recovery.scores["regret"] == pytest.approx(0.0, abs=10.0)
    assert recovery.scores["recovery"] == 0
