"""A step of plain gradient descent goes along the gradient of the loss of the whole prediction, for every learner.

The gradient is what finite differences of the loss say when one parameter at a time is changed in a saved state.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import (
    AutoRegressor,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.learners import Learner
from edgedescent.losses import AdaptiveHuberLoss, LogisticLoss, Loss
from edgedescent.optim import SGD
from reference.losses import LOSSES as SPECIFIED
from support.exported import LEARNERS, LOSSES, accepts_loss

# Rate of the step, change of a parameter, and room of the comparison. The network computes in single precision, whose
# rounding needs larger changes; those of more than 2**-10 leave what is linear.
EXACT = (1e-6, 1e-5, 1e-4)
SINGLE = (2.0**-7, 2.0**-12, 2e-3)

# How each learner is made. Matrix factorization has other tables: see unit/learners/test_matrix_factorization_model.py.
MODELS: list[Any] = [
    pytest.param(LinearRegressor, {}, id="linear"),
    pytest.param(LogisticRegressor, {"loss": LogisticLoss()}, id="logistic"),
    pytest.param(FactorizationMachine, {"n_factors": 3, "init_scale": 0.5}, id="machine"),
    *(
        pytest.param(MLPRegressor, {"hidden": hidden, "replay_steps": 0}, id=f"network-{len(hidden)}")
        for hidden in ((5,), (5, 4), (4, 3, 3))
    ),
]
PAIRS = [(learner, loss) for learner in (LinearRegressor, FactorizationMachine) for loss in LOSSES]


def test_every_learner_with_a_loss_is_looked_at() -> None:
    # The loss of AutoRegressor is that of its mixture, not of a gradient.
    assert {model.values[0] for model in MODELS} | {MatrixFactorization, AutoRegressor} == {
        learner for learner in LEARNERS if any(accepts_loss(learner, loss()) for loss in LOSSES)
    }


def events(n: int, binary: bool, seed: int) -> list[tuple[dict[str, Any], float]]:
    rng = np.random.default_rng(seed)
    stream: list[tuple[dict[str, Any], float]] = []
    for _ in range(n):
        x: dict[str, Any] = {name: float(rng.normal(10, 3)) for name in "abc" if rng.random() < 0.8}
        x["site"] = str(rng.choice(["north", "south"]))
        y = 5.0 + sum(v for v in x.values() if not isinstance(v, str)) / 10 + float(rng.normal())
        stream.append((x, float(y > 7.0) if binary else max(y, 0.0)))
    return stream


def score_and_target(model: Any, x: dict[str, Any], y: float) -> tuple[float, float]:
    """The prediction and the target in the units of the loss."""
    prediction = model.predict_one(x)
    if model.loss.binary:
        return math.log(prediction / (1 - prediction)), y
    mean, variance = (model.state_dict()[f"target.{part}"][0] for part in ("mean", "variance"))
    if math.isfinite(model.loss.least):
        return math.log(prediction / mean), y / mean
    return (prediction - mean) / math.sqrt(variance), (y - mean) / math.sqrt(variance)


def loss_of(model: Any, x: dict[str, Any], y: float) -> float:
    score, target = score_and_target(model, x, y)
    loss: Loss = model.loss
    # A loss in Python is its own specification.
    specified: Any = loss if loss.rule == "python" else SPECIFIED[loss.rule](*loss.hyper)
    if isinstance(loss, AdaptiveHuberLoss):
        specified.scale = model.model.loss_scale
    return float(specified.value(target, score))


def tables(model: Learner) -> list[str]:
    return [name for name in model.state_dict() if name in ("weights", "skip", "output") or name.startswith("layer")]


def exactness(learner: Any) -> tuple[float, float, float]:
    return SINGLE if learner is MLPRegressor else EXACT


def check(model: Any, x: dict[str, Any], y: float, penalties: dict[str, float]) -> None:
    lr, step, least = exactness(type(model))
    state: dict[str, Any] = dict(model.state_dict())
    stepped = model.clone()
    stepped.load_state_dict(state)
    stepped.learn_one(x, y)
    after = stepped.state_dict()
    rows = {1 + state["features"].index(name) for name in x if name in state["features"]}
    rows |= {1 + state["features"].index(f"{k}={v}") for k, v in x.items() if isinstance(v, str)}

    def changed(name: str, at: tuple[int, ...], change: float) -> float:
        table = state[name].copy()
        table[at] += change
        twin = model.clone()
        twin.load_state_dict({**state, name: table})
        return loss_of(twin, x, y)

    base = loss_of(model, x, y)
    for name in tables(model):
        by_feature = name in ("weights", "skip", "layer0")
        for at in np.ndindex(state[name].shape):
            got = (state[name][at] - after[name][at]) / lr
            if by_feature and at[0] and at[0] not in rows:
                assert got == 0.0
                continue
            up, down = changed(name, at, step), changed(name, at, -step)
            right, left = (up - base) / step, (base - down) / step
            weight = 0.0
            if at[0]:
                weight = penalties["l2_factors" if name == "weights" and at[1] else "l2"]
            pull = weight * state[name][at]
            # Where a unit or the loss bends, any slope between those to both sides will do.
            room = least + 1e-3 * max(abs(left), abs(right))
            assert min(left, right) - room <= got - pull <= max(left, right) + room, (name, at)


@pytest.mark.parametrize(("learner", "parameters"), MODELS)
@settings(max_examples=5)
@given(seed=st.integers(0, 1000), l2=st.sampled_from([0.0, 0.3]))
def test_a_step_follows_the_gradient(learner: Any, parameters: dict[str, Any], seed: int, l2: float) -> None:
    penalties = {"l2": l2, "l2_factors": 0.2 if learner is FactorizationMachine else l2}
    more = penalties if learner is FactorizationMachine else {"l2": l2}
    # Learned at a rate at which parameters move, then copied to one at which a step is a gradient. A network would clip
    # a long one by itself.
    fast = learner(optimizer=SGD(lr=0.01), seed=seed, **{**parameters, **more})
    stream = events(40, fast.loss.binary, seed)
    for event in stream[:-1]:
        fast.learn_one(*event)
    model = fast.clone({"optimizer": SGD(lr=exactness(learner)[0], clip_norm=1e9)}, include_attributes=True)
    check(model, *stream[-1], penalties)


@pytest.mark.parametrize(
    ("learner", "loss"), [(learner, loss) for learner, loss in PAIRS if accepts_loss(learner, loss())]
)
def test_a_step_follows_the_gradient_of_every_loss(learner: Any, loss: Any) -> None:
    parameters = {"n_factors": 2, "init_scale": 0.3} if learner is FactorizationMachine else {}
    fast = learner(optimizer=SGD(lr=0.01), loss=loss(), **parameters)
    stream = events(40, fast.loss.binary, 3)
    for event in stream[:-1]:
        fast.learn_one(*event)
    model = fast.clone({"optimizer": SGD(lr=exactness(learner)[0], clip_norm=1e9)}, include_attributes=True)
    check(model, *stream[-1], {"l2": 0.0, "l2_factors": 0.0})
