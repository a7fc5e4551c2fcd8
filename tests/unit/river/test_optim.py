"""River's optimizers and ours, step by step on the same linear model."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

pytest.importorskip("river", reason="River is an extra: pip install 'edgedescent[river]'")

from river import linear_model, optim
from river.optim import schedulers

from edgedescent.optim import AMSGrad, FTRLProximal, InverseScaling, Momentum, NAdam, Nesterov, Optimizer
from edgedescent.optim._stepper import steps
from edgedescent_river import optim as theirs
from edgedescent_river.optim import from_river

FEATURES = ("a", "b", "c")
STEPS = 300

SAME = [
    optim.SGD(),
    optim.SGD(0.05),
    optim.SGD(schedulers.InverseScaling(0.1)),
    optim.SGD(schedulers.InverseScaling(0.1, power=0.25)),
    optim.SGD(schedulers.Optimal(optim.losses.Squared(), alpha=0.1)),
    optim.Momentum(0.01),
    optim.Momentum(0.005, rho=0.5),
    optim.AdaGrad(),
    optim.AdaGrad(0.3, eps=0.1),
    optim.AdaGrad(schedulers.InverseScaling(0.3)),
    optim.AdaDelta(),
    optim.AdaDelta(rho=0.8, eps=1e-4),
    optim.RMSProp(0.01, eps=1e-16),
    optim.RMSProp(schedulers.InverseScaling(0.1), rho=0.5, eps=1e-16),
    optim.Adam(eps=1e-16),
    optim.Adam(0.03, beta_1=0.5, beta_2=0.9, eps=1e-16),
    optim.Adam(schedulers.InverseScaling(0.1), eps=1e-16),
    optim.AMSGrad(correct_bias=False),
    optim.AMSGrad(0.02, beta_1=0.8, beta_2=0.99, correct_bias=False),
]

OTHER = [
    (optim.NesterovMomentum(0.01), "look-ahead"),
    (optim.Nadam(), "the count of this one"),
    (optim.FTRLProximal(), "the event before"),
    (optim.AMSGrad(), "correct_bias=False"),
    (optim.Momentum(schedulers.InverseScaling(0.1)), "the rate of its step"),
    (optim.AdaBound(), "none of ours"),
    (optim.AdaMax(), "none of ours"),
    (optim.Newton(), "none of ours"),
    (optim.Averager(optim.SGD()), "goes on from the average"),
]


def river_run(optimizer: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The gradients that a linear model of River steps along, and its weights after each."""
    random = np.random.default_rng(7)
    model = linear_model.LinearRegression(optimizer=optimizer.clone(), intercept_lr=0.0)
    gradients, path = [], []
    for _ in range(STEPS):
        x = dict(zip(FEATURES, random.normal(size=3).tolist(), strict=True))
        y = 2.0 * x["a"] - x["b"] + 0.5 * x["c"] + 0.1 * random.normal()
        slope = model.loss.gradient(y, model.predict_one(x))
        gradients.append([slope * x[name] for name in FEATURES])
        model.learn_one(x, y)
        path.append([model.weights.get(name, 0.0) for name in FEATURES])
    return np.array(gradients), np.array(path)


@pytest.mark.parametrize("optimizer", SAME, ids=lambda o: f"{type(o).__name__}-{vars(o)}"[:60])
def test_the_same_gradients_make_the_same_weights(optimizer: Any) -> None:
    gradients, path = river_run(optimizer)
    ours, _, undone = steps(from_river(optimizer), gradients, [0.0] * 3)
    assert undone == 0
    assert np.abs(path).max() > 0.01
    np.testing.assert_allclose(ours, path, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("optimizer", [optim.RMSProp(0.01), optim.Adam(), optim.Adam(0.03)], ids=type)
def test_where_eps_stands_makes_little_difference(optimizer: Any) -> None:
    gradients, path = river_run(optimizer)
    ours, _, _ = steps(from_river(optimizer), gradients, [0.0] * 3)
    np.testing.assert_allclose(ours, path, atol=2e-3)


@pytest.mark.parametrize(
    ("optimizer", "nearest"),
    [
        (optim.NesterovMomentum(0.01), Nesterov(lr=0.01)),
        (optim.Nadam(), NAdam(lr=0.1)),
        (optim.FTRLProximal(), FTRLProximal(lr=0.05, l2=1.0)),
        (optim.AMSGrad(), AMSGrad(lr=0.1)),
        (optim.Momentum(schedulers.InverseScaling(0.1)), Momentum(lr=0.1, schedule=InverseScaling())),
    ],
    ids=lambda o: type(o).__name__,
)
def test_what_is_refused_is_something_else(optimizer: Any, nearest: Optimizer) -> None:
    gradients, path = river_run(optimizer)
    ours, _, _ = steps(nearest, gradients, [0.0] * 3)
    assert np.abs(ours - path).max() > 1e-3


@pytest.mark.parametrize(("optimizer", "why"), OTHER, ids=lambda o: type(o).__name__)
def test_it_is_refused_with_the_reason(optimizer: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        from_river(optimizer)


def test_every_optimizer_of_river_is_converted_or_refused() -> None:
    known = {type(optimizer).__name__ for optimizer in [*SAME, *(optimizer for optimizer, _ in OTHER)]}
    exported = {name for name in optim.__all__ if isinstance(getattr(optim, name), type)}
    assert known >= exported - {"Optimizer"}


@pytest.mark.parametrize("name", [name for name in theirs.__all__ if name != "from_river"])
def test_the_names_have_rivers_parameters_and_defaults(name: str) -> None:
    ours, river = (inspect.signature(getattr(module, name)).parameters for module in (theirs, optim))
    assert {n: p.default for n, p in ours.items()} == {n: p.default for n, p in river.items()}
    given = {"correct_bias": False} if name == "AMSGrad" else {}
    assert getattr(theirs, name)(**given) == from_river(getattr(optim, name)(**given))


def test_a_rate_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a number or a scheduler"):
        theirs.SGD("fast")
    with pytest.raises(ValueError, match="`lr` of SGD must be > 0"):
        theirs.SGD(-1.0)
    with pytest.raises(ValueError, match="expected an optimizer of River"):
        from_river(object())
