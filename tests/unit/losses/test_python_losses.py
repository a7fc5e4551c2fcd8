"""Losses written in Python: the bits of their compiled twins, and errors that reach whoever learns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.losses import HuberLoss, Loss, SquaredLoss
from edgedescent.losses._losses import travels
from edgedescent.optim import SGD, Adam, ImportanceAware, ReduceOnPlateau
from edgedescent.testing import check_loss
from edgedescent.validation import require_number


@dataclass(frozen=True)
class PythonSquaredLoss(Loss):
    """Twin of SquaredLoss."""

    def value(self, target: float, score: float) -> float:
        return 0.5 * (score - target) * (score - target)

    def slope(self, target: float, score: float) -> float:
        return score - target

    def travel(self, target: float, score: float, time: float) -> float:
        return (score - target) * math.expm1(-time)


@dataclass(frozen=True)
class PythonHuberLoss(Loss):
    """Twin of HuberLoss, which leaves the travel to the base class."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        require_number(self, "delta", self.delta, above=0)

    def value(self, target: float, score: float) -> float:
        size = abs(score - target)
        return 0.5 * size * size if size <= self.delta else self.delta * (size - 0.5 * self.delta)

    def slope(self, target: float, score: float) -> float:
        return min(max(score - target, -self.delta), self.delta)


@dataclass(frozen=True)
class BrokenLoss(PythonSquaredLoss):
    """Raises in one of its methods, or returns what no loss can be."""

    where: str = "slope"
    what: str = "raise"

    def _at(self, where: str, result: float) -> float:
        if where != self.where:
            return result
        if self.what == "raise":
            raise ZeroDivisionError(f"broken {where}")
        return math.nan

    def value(self, target: float, score: float) -> float:
        return self._at("value", super().value(target, score))

    def slope(self, target: float, score: float) -> float:
        return self._at("slope", super().slope(target, score))

    def travel(self, target: float, score: float, time: float) -> float:
        return self._at("travel", super().travel(target, score, time))


def learned(model: Any) -> Any:
    rng = np.random.default_rng(5)
    for _ in range(300):
        a, b = rng.normal(size=2)
        if model.input_kind == "ratings":
            model.learn_one(f"u{int(a * 3)}", f"i{int(b * 3)}", 3.0 + a)
        else:
            model.learn_one({"a": a, "b": b, "site": "north" if a > 0 else "south"}, 3.0 * a - b)
    return model


@pytest.mark.parametrize("optimizer", [Adam(lr=0.01), ImportanceAware(lr=0.1)])
@pytest.mark.parametrize(
    "make",
    [
        LinearRegressor,
        FactorizationMachine,
        lambda **parameters: MLPRegressor(hidden=(4,), replay_steps=2, **parameters),
        MatrixFactorization,
    ],
)
def test_a_loss_in_python_learns_the_bits_of_its_compiled_twin(make: Any, optimizer: Any) -> None:
    compiled = learned(make(loss=SquaredLoss(), optimizer=optimizer)).state_dict()
    python = learned(make(loss=PythonSquaredLoss(), optimizer=optimizer)).state_dict()
    assert compiled.keys() == python.keys()
    assert all(np.array_equal(compiled[name], python[name]) for name in compiled)


@given(target=st.floats(-5, 5), score=st.floats(-20, 20), time=st.floats(0, 10))
def test_the_numerical_travel_is_near_the_closed_form(target: float, score: float, time: float) -> None:
    numerical = PythonHuberLoss().travel(target, score, time)
    (exact,) = travels(HuberLoss(), target, score, [time])
    assert abs(numerical - exact) <= 0.15 * abs(exact) + 1e-9
    # Never past the minimum.
    assert abs(numerical) <= abs(score - target)
    assert numerical * (target - score) >= 0.0


def test_a_loss_in_python_passes_the_checks() -> None:
    check_loss(PythonHuberLoss(delta=0.5))


def test_a_loss_without_its_methods_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Loss does not define `slope`"):
        LinearRegressor(loss=Loss()).learn_one({"a": 1.0}, 2.0)


def learn_three(model: Any, *event: Any) -> None:
    # The slope is 0 until targets differ.
    for y in (2.0, 5.0, 3.0):
        model.learn_one(*event, y)


@pytest.mark.parametrize(
    ("where", "optimizer"),
    [
        ("slope", SGD()),
        ("travel", ImportanceAware()),
        ("value", SGD(schedule=ReduceOnPlateau())),
    ],
)
@pytest.mark.parametrize("learner", [LinearRegressor, MatrixFactorization])
def test_what_a_loss_raises_reaches_the_caller_and_spoils_nothing(where: str, optimizer: Any, learner: Any) -> None:
    event = ("ann", "tea") if learner is MatrixFactorization else ({"a": 1.0},)
    for what, error in (("raise", ZeroDivisionError), ("nan", ValueError)):
        model = learner(loss=BrokenLoss(where=where, what=what), optimizer=optimizer)
        with pytest.raises(error, match="broken" if what == "raise" else f"`{where}` of BrokenLoss"):
            learn_three(model, *event)
        arrays = [value for value in model.state_dict().values() if isinstance(value, np.ndarray)]
        assert all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f")
        # It is raised once for each event, not again later.
        model.predict_one(*event)


class FlakyLoss(PythonSquaredLoss):
    """Raises in every method while it is broken."""

    broken: ClassVar[bool] = False

    def value(self, target: float, score: float) -> float:
        return 1 / 0 if FlakyLoss.broken else super().value(target, score)

    def slope(self, target: float, score: float) -> float:
        return 1 / 0 if FlakyLoss.broken else super().slope(target, score)


@pytest.mark.parametrize("learner", [LinearRegressor, MatrixFactorization])
def test_two_errors_of_one_event_are_raised_with_that_event(learner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = ("ann", "tea") if learner is MatrixFactorization else ({"a": 1.0},)
    model = learner(loss=FlakyLoss(), optimizer=SGD(schedule=ReduceOnPlateau()))
    with monkeypatch.context() as patch:
        patch.setattr(FlakyLoss, "broken", True)
        with pytest.raises(ZeroDivisionError):
            model.learn_one(*event, 2.0)
    model.learn_one(*event, 5.0)
    assert model.counts()["updates_undone"] > 0
