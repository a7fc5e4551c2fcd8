"""The faces of the losses: what they refuse, and what learners refuse for them."""

from __future__ import annotations

import inspect
import math
import re
from typing import Any

import pytest

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MatrixFactorization, MLPRegressor
from edgedescent.losses import (
    AdaptiveHuberLoss,
    EpsilonInsensitiveLoss,
    HuberLoss,
    LogisticLoss,
    PoissonLoss,
    QuantileLoss,
    SquaredLoss,
)
from support.exported import LOSSES


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HuberLoss(delta=0), "`delta` of HuberLoss must be > 0"),
        (lambda: AdaptiveHuberLoss(k=1), "`k` of AdaptiveHuberLoss must be > 1"),
        (lambda: AdaptiveHuberLoss(rate_min=0), "`rate_min` of AdaptiveHuberLoss must be > 0"),
        (lambda: QuantileLoss(q=1), "`q` of QuantileLoss must be .* < 1"),
        (lambda: QuantileLoss(q=math.nan), "`q` of QuantileLoss must be > 0"),
        (lambda: EpsilonInsensitiveLoss(eps=-0.1), "`eps` of EpsilonInsensitiveLoss must be >= 0"),
    ],
)
def test_hyper_parameters_are_validated(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("kind", LOSSES)
def test_every_argument_is_documented_once(kind: Any) -> None:
    documentation = inspect.getdoc(kind) or ""
    own = list(inspect.signature(kind).parameters)
    arguments = documentation.split("Args:\n")[1].split("\n\n")[0] if own else ""
    assert re.findall(r"^    (\w+):", arguments, re.MULTILINE) == own
    assert "::" in documentation
    assert "Example:" in documentation
    assert re.search(r"References:\n    .*\b(19|20)\d\d\b", documentation)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        (LinearRegressor, LogisticLoss()),
        (LogisticRegressor, SquaredLoss()),
        (MLPRegressor, "squared"),
        (FactorizationMachine, None),
        (MatrixFactorization, PoissonLoss()),
        (MatrixFactorization, LogisticLoss()),
    ],
)
def test_a_loss_for_other_targets_is_refused(kind: Any, loss: Any) -> None:
    with pytest.raises(ValueError, match=f"`loss` of {kind.__name__} must be"):
        kind(loss=loss)


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (LogisticRegressor(), 1.5, "must lie between 0 and 1. Got 1.5"),
        (LogisticRegressor(), -0.1, "must lie between 0 and 1. Got -0.1"),
        (LinearRegressor(loss=PoissonLoss()), -1, "must be >= 0. Got -1"),
    ],
)
def test_a_target_that_a_loss_is_not_defined_for_is_refused(model: Any, y: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.learn_one({"a": 1.0}, y)
    with pytest.raises(ValueError, match=message):
        model.learn_many([[1.0], [2.0]], [0.5, y])
    assert model.n_events == 0


def test_counts_are_predicted_above_zero() -> None:
    model = LinearRegressor(loss=PoissonLoss())
    for n in range(2000):
        model.learn_one({"busy": n % 2}, 20 * (n % 2))
    quiet, busy = (model.predict_one({"busy": b}) for b in (0, 1))
    assert 0.0 < quiet < 2.0
    assert busy == pytest.approx(20.0, rel=0.2)
