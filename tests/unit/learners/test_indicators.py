"""Features that have had a single value and are absent at times: indicators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor, FactorizationMachine, LinearRegressor, LogisticRegressor, MLPRegressor
from edgedescent.testing.support import bits
from support.served import assert_snapshot_agrees

Make = Callable[[], Any]
LEARNERS: dict[str, Make] = {
    "linear": LinearRegressor,
    "network": lambda: MLPRegressor(hidden=(16,)),
    "automatic": lambda: AutoRegressor(budget="tiny"),
    "factorization machine": FactorizationMachine,
    "logistic": LogisticRegressor,
}
each = pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS)
NAMES = ["temp", "site=north", "door"]
LINEAR = 1
"""Row of a feature `on` that came first."""


def stream(model: Any, n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """A number, and two indicators with other values than 1; NaN where they are absent."""
    random = np.random.default_rng(7)
    x = np.column_stack((random.normal(size=n), np.full(n, 40.0), np.full(n, -0.01)))
    absent = random.random((n, 2)) < (0.5, 0.8)
    x[:, 1:][absent] = np.nan
    y = 10.0 * ~absent[:, 0] - 4.0 * ~absent[:, 1] + x[:, 0]
    if model.has_numeric_targets:
        return x, y + 0.1 * random.normal(size=n)
    return x, (~absent[:, 0]).astype(float)


def as_dicts(x: np.ndarray) -> list[dict[str, float]]:
    return [{name: value for name, value in zip(NAMES, row, strict=True) if not np.isnan(value)} for row in x.tolist()]


def kinds(model: Any) -> list[int]:
    kinds: list[int] = model.state_dict()["kinds"].tolist()
    return kinds


@each
def test_what_an_indicator_adds_is_learned(make: Make) -> None:
    model = make()
    x, y = stream(model)
    errors = np.abs(model.learn_many(x, y, NAMES) - y)[-500:]
    # 4.0 and more where the indicators teach nothing.
    assert errors.mean() < (0.5 if model.has_numeric_targets else 0.1)
    assert kinds(model) == [0, 0, 2, 2]


@each
@pytest.mark.parametrize("at", [3, 40, 700])
def test_goes_on_from_a_saved_state(make: Make, at: int) -> None:
    one, other = make(), make()
    x, y = stream(one)
    one.learn_many(x[:at], y[:at], NAMES)
    other.load_state_dict(one.state_dict())
    one.learn_many(x[at:], y[at:], NAMES)
    other.learn_many(x[at:], y[at:], NAMES)
    assert bits(one) == bits(other)


@each
def test_single_events_are_learned_as_many_are(make: Make) -> None:
    one, many = make(), make()
    x, y = stream(one)
    # A feature that is no indicator any more in the end.
    x[1000, 2] = 3.0
    many.learn_many(x, y, NAMES)
    for row, label in zip(x.tolist(), y.tolist(), strict=True):
        event = dict(zip(NAMES, row, strict=True))
        expected = one.predict_one(event)
        assert one.predict_learn_one(event, label) == expected
    assert bits(one) == bits(many)
    assert kinds(one) == [0, 0, 2, 0]


@each
def test_a_snapshot_agrees(make: Make) -> None:
    learner = make()
    x, y = stream(learner)
    learner.learn_many(x, y, NAMES)
    events = [
        *as_dicts(x[-20:]),
        {},
        {"site=north": 0.0},
        {"site=north": -1e9, "door": 1e9},
        {"temp": 2.0, "door": 0.02},
    ]
    assert_snapshot_agrees(learner, events)


def learned(*values: float | None) -> LinearRegressor:
    model = LinearRegressor()
    for i, value in enumerate(values):
        model.learn_one({"on": value, "temp": float(i)}, float(value is not None))
    return model


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((1.0, 1.0, 1.0), 0),
        ((1.0, None), 0),
        ((1.0, None, 1.0), 2),
        ((1.0, 1.0, None, None), 0),
        ((1.0, 1.0, None, 1.0), 2),
        ((-3.0, None, -3.0), 2),
        ((0.0, None, 0.0), 0),
        ((1.0, None, 2.0), 0),
        ((1.0, None, 1.0, 2.0), 0),
        ((1.0, None, 1.0, 2.0, 1.0), 0),
    ],
)
def test_an_indicator_is_a_single_value_that_was_absent_in_between(values: tuple[float | None, ...], kind: int) -> None:
    assert kinds(learned(*values))[LINEAR] == kind


def test_an_indicator_is_its_ratio_to_the_value_it_has_had() -> None:
    model = learned(*(2.0 if i % 2 else None for i in range(101)))
    absent, half, present = (model.predict_one({"on": value}) for value in (None, 1.0, 2.0))
    assert present > absent + 0.1
    assert half == pytest.approx((absent + present) / 2)
    # Clipped at five times the value.
    assert model.predict_one({"on": 10.0}) == model.predict_one({"on": 1e6})


def test_a_row_that_is_given_to_another_feature_is_a_number_again() -> None:
    model = LinearRegressor(features_max=1, when_full="evict")
    for _ in range(3):
        model.learn_one({"on": 1.0}, 1.0)
        model.learn_one({}, 0.0)
    assert kinds(model) == [0, 2]
    for i in range(200):
        model.learn_one({"other": float(i)}, 1.0)
    assert model.state_dict()["features"] == ["other"]
    assert kinds(model) == [0, 0]


@pytest.mark.parametrize(
    ("part", "value", "match"),
    [
        ("kinds", 3, "`kinds` must be 0, 1 or 2"),
        ("inputs.mean", 0, "single value"),
        ("inputs.variance", 1, "single value"),
    ],
)
def test_an_indicator_that_cannot_be_is_refused(part: str, value: int, match: str) -> None:
    model = learned(1.0, None, 1.0)
    state = model.state_dict()
    state[part] = state[part].copy()
    state[part][LINEAR] = value
    with pytest.raises(ValueError, match=match):
        LinearRegressor().load_state_dict(state)
