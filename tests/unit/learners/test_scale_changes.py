"""What learners do after a change of scale of a feature or of the target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor, FactorizationMachine, LinearRegressor, LogisticRegressor, MLPRegressor
from edgedescent.optim import COCOB, RLS, SGD, Adam, FTRLProximal
from edgedescent.testing.support import bits
from support.served import assert_snapshot_agrees

Make = Callable[[], Any]
REGRESSORS: dict[str, Make] = {
    "linear": LinearRegressor,
    "network": lambda: MLPRegressor(hidden=(16,)),
    "automatic": lambda: AutoRegressor(budget="tiny"),
}
OTHERS: dict[str, Make] = {
    "Adam": lambda: LinearRegressor(optimizer=Adam()),
    "averaged": lambda: LinearRegressor(optimizer=SGD(average_rate=0.01)),
    "COCOB": lambda: LinearRegressor(optimizer=COCOB()),
    "FTRL": lambda: LinearRegressor(optimizer=FTRLProximal()),
    "factorization machine": lambda: FactorizationMachine(optimizer=RLS()),
    "logistic": LogisticRegressor,
}
each_regressor = pytest.mark.parametrize("make", REGRESSORS.values(), ids=REGRESSORS)
each = pytest.mark.parametrize("make", [*REGRESSORS.values(), *OTHERS.values()], ids=[*REGRESSORS, *OTHERS])
BEFORE, AFTER = 1000, 300
NAMES = ["a", "b", "c"]


def stream(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    z = random.normal(size=(BEFORE + AFTER, 3))
    x = np.array([20.0, 0.0, -3.0]) + np.array([8.0, 1.0, 0.1]) * z
    return x, 5.0 + z @ np.array([2.0, -1.6, 1.2]) + 0.2 * random.normal(size=len(z))


def feature(x: np.ndarray, y: np.ndarray, factor: float) -> None:
    x[BEFORE:, 1] *= factor


def target(x: np.ndarray, y: np.ndarray, factor: float) -> None:
    y[BEFORE:] *= factor


def rest(x: np.ndarray, y: np.ndarray, factor: float) -> None:
    random = np.random.default_rng(9)
    x[:BEFORE, 0] = factor * random.normal(size=BEFORE)
    x[BEFORE:, 0] = random.uniform(0.0, 100.0, size=AFTER)
    y[:] += 0.1 * x[:, 0]


def changed_stream(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """A stream whose scales change, of a feature and of the targets if they are numbers."""
    x, y = stream()
    feature(x, y, 100.0)
    if not model.has_numeric_targets:
        return x, (y > 5.0).astype(float)
    target(x, y, 10.0)
    return x, y


CHANGES = [(feature, 1000.0), (feature, 0.01), (target, 100.0), (target, 0.001), (rest, 0.01)]


@each_regressor
@pytest.mark.parametrize(("change", "factor"), CHANGES)
def test_the_error_is_that_of_a_new_learner_after_100_events(
    make: Make, change: Callable[[np.ndarray, np.ndarray, float], None], factor: float
) -> None:
    x, y = stream()
    change(x, y, factor)
    long, fresh = make(), make()
    old = np.abs(long.learn_many(x, y, NAMES) - y)[BEFORE + 100 :].mean()
    new = np.abs(fresh.learn_many(x[BEFORE:], y[BEFORE:], NAMES) - y[BEFORE:])[100:].mean()
    assert old < 1.5 * new


@each_regressor
@pytest.mark.parametrize("where", ["feature", "label"])
def test_a_single_spike_changes_the_next_predictions_little(make: Make, where: str) -> None:
    x, y = stream()
    clean = make().learn_many(x, y, NAMES)
    if where == "feature":
        x[BEFORE - 1, 1] = 1000.0
    else:
        y[BEFORE - 1] = 1000.0 * y.std()
    spiked = make().learn_many(x, y, NAMES)
    assert np.abs(spiked - clean)[BEFORE : BEFORE + 100].mean() < 0.05 * y[: BEFORE - 1].std()


@each
@pytest.mark.parametrize("at", [BEFORE + 20, BEFORE + 60])
def test_goes_on_from_a_saved_state_in_the_middle_of_a_change(make: Make, at: int) -> None:
    one, other = make(), make()
    x, y = changed_stream(one)
    one.learn_many(x[:at], y[:at], NAMES)
    other.load_state_dict(one.state_dict())
    one.learn_many(x[at:], y[at:], NAMES)
    other.learn_many(x[at:], y[at:], NAMES)
    assert bits(one) == bits(other)


@each
def test_single_events_are_learned_as_many_are(make: Make) -> None:
    one, many = make(), make()
    x, y = changed_stream(one)
    many.learn_many(x, y, NAMES)
    for row, label in zip(x.tolist(), y.tolist(), strict=True):
        one.learn_one(dict(zip(NAMES, row, strict=True)), label)
    assert bits(one) == bits(many)


@each_regressor
@pytest.mark.parametrize("after", [20, 34, 60, 250])
def test_a_snapshot_agrees_while_a_change_is_followed(make: Make, after: int) -> None:
    x, y = stream()
    feature(x, y, 100.0)
    target(x, y, 10.0)
    learner = make()
    learner.learn_many(x[: BEFORE + after], y[: BEFORE + after], NAMES)
    events = [dict(zip(NAMES, row, strict=True)) for row in x[-20:].tolist()]
    assert_snapshot_agrees(learner, events)


def test_a_feature_without_effect_is_left_alone() -> None:
    x, y = stream()
    y -= 2.0 * (x[:, 0] - 20.0) / 8.0
    x[BEFORE:, 0] *= 1000.0
    learner = LinearRegressor()
    learner.learn_many(x, y, NAMES)
    assert learner.state_dict()["inputs.count"][1] == len(y)


def test_wrong_mean_errors_in_a_state_are_refused() -> None:
    learner = LinearRegressor()
    with pytest.raises(ValueError, match="`errors` must be 3 numbers"):
        learner.load_state_dict({**learner.state_dict(), "errors": np.array([1.0, -1.0, 3.0])})
