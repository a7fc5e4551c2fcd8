"""The linear kernel against its specification, and its gradients against finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.losses import AdaptiveHuberLoss, Loss, SquaredLoss
from edgedescent.optim import SGD, Adam, Optimizer
from reference.learners import Linear as Specified
from reference.numerics import is_usable
from support.strategies import feature_events, good_targets, good_values, losses, optimizers


@settings(max_examples=120)
@given(
    events=feature_events(),
    optimizer=optimizers,
    loss=losses,
    l2=st.sampled_from([0.0, 5.0]),
    features_max=st.sampled_from([1, 2, 3, 4096]),
    when_full=st.sampled_from(["evict", "share"]),
    forgetting=st.sampled_from([0.0002, 0.2]),
    replay=st.sampled_from([(0, 1), (2, 1), (1, 3), (3, 1000)]),
    seed=st.sampled_from([0, 1, 2**62]),
)
def test_agrees_with_the_specification(
    events: list[tuple[dict[str, Any], Any]],
    optimizer: Optimizer,
    loss: Loss,
    l2: float,
    features_max: int,
    when_full: str,
    forgetting: float,
    replay: tuple[int, int],
    seed: int,
) -> None:
    others: dict[str, Any] = {
        "l2": l2,
        "features_max": features_max,
        "when_full": when_full,
        "forgetting": forgetting,
        "replay_steps": replay[0],
        "replay_size": replay[1],
        "seed": seed,
    }
    model = LinearRegressor(optimizer=optimizer, loss=loss, **others)
    specified = Specified(optimizer.rule, (optimizer.rate, *optimizer.hyper), loss.rule, loss.hyper, **others)
    scale = 1.0
    for x, y in events:
        scale = max(scale, abs(y)) if is_usable(y) else scale
        expected = specified.predict_one(x)
        assert model.predict_one(x) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
        assert model.predict_learn_one(x, y) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
        specified.learn_one(x, y)
    state: dict[str, Any] = dict(model.state_dict())
    keys = specified.vocabulary.keys()
    assert state["features"] == keys
    assert list(state["stamps"]) == [specified.vocabulary.stamp_of[key] for key in keys]
    assert list(state["born"]) == [specified.vocabulary.born_of[key] for key in keys]
    if replay[0]:
        assert state["replay_buffer.draws"].tolist() == [specified.random.state, specified.n_events]
        assert state["replay_buffer.targets"].tolist() == [y for _, y, _ in specified.replay_buffer]
        assert state["replay_buffer.times"].tolist() == [time for *_, time in specified.replay_buffer]
        assert state["replay_buffer.lengths"].tolist() == [len(x) for x, *_ in specified.replay_buffer]
    assert list(state["counts"]) == [
        specified.n_events,
        specified.n_skipped_targets,
        specified.n_skipped_values,
        specified.vocabulary.evicted,
        specified.vocabulary.shared,
    ]
    weights = [specified.intercept.w, *(specified.weights[key].w for key in keys)]
    assert np.ravel(state["weights"]) == pytest.approx(weights, rel=1e-6, abs=1e-6)
    for part in ("n", "mean", "variance"):
        name = {"n": "count"}.get(part, part)
        inputs = [getattr(specified.inputs[key], part) for key in keys]
        assert list(state[f"inputs.{name}"][1:]) == pytest.approx(inputs, rel=1e-9)
        assert state[f"target.{name}"][0] == pytest.approx(getattr(specified.target, part), rel=1e-9)


@given(
    events=st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abcde"), good_values, max_size=5), good_targets),
        min_size=4,
        max_size=20,
    ),
    loss=st.sampled_from([SquaredLoss(), AdaptiveHuberLoss(k=1e6)]),
    l2=st.sampled_from([0.0, 0.3]),
)
def test_a_step_follows_the_gradient_of_the_loss_of_the_whole_prediction(
    events: list[tuple[dict[str, float], float]], loss: Loss, l2: float
) -> None:
    lr = 1e-3
    model = LinearRegressor(optimizer=SGD(lr=lr), loss=loss, l2=l2)
    for event in events[:-1]:
        model.learn_one(*event)
    x, y = events[-1]
    # Make every feature of the event known, so that there is a weight to differentiate by.
    model.learn_one(x, y)
    state: dict[str, Any] = dict(model.state_dict())
    mean, variance = state["target.mean"][0], state["target.variance"][0]
    if variance < 1e-9 * max(1.0, mean * mean):
        return
    sd = math.sqrt(variance)
    touched = [0, *(1 + state["features"].index(name) for name in x)]

    def penalized_loss(weights: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        twin = model.clone()
        twin.load_state_dict({**state, "weights": weights})
        # A target is no further off than twice what features are clipped at.
        error = (twin.predict_one(x) - mean) / sd - min(max((y - mean) / sd, -10.0), 10.0)
        return float(error**2 / 2 + l2 * (weights[touched[1:]] ** 2).sum() / 2)

    model.learn_one(x, y)
    stepped = (state["weights"] - model.state_dict()["weights"]) / lr
    for row in range(len(state["weights"])):
        up, down = state["weights"].copy(), state["weights"].copy()
        up[row] += 1e-4
        down[row] -= 1e-4
        # The loss is quadratic in the weights, so that central differences are exact but for rounding.
        slope = (penalized_loss(up) - penalized_loss(down)) / 2e-4
        expected = slope if row in touched else 0.0
        assert stepped[row, 0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_adaptive_huber_clips_the_step_and_nothing_else() -> None:
    model = LinearRegressor(optimizer=SGD(lr=0.1), loss=AdaptiveHuberLoss(k=2.0))
    for i in range(100):
        model.learn_one({"a": i % 5}, float(i % 3))
    scale, before = model.model.loss_scale, model.state_dict()
    model.learn_one({"a": 4}, 1e9)
    stepped = before["weights"] - model.state_dict()["weights"]
    assert stepped[0, 0] == pytest.approx(-0.1 * 2.0 * scale)


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=repr)
def test_learns_a_noise_free_line(optimizer: Optimizer) -> None:
    model = LinearRegressor(optimizer=optimizer)
    for i in range(4000):
        model.learn_one({"a": i % 7, "b": (i % 5) ** 2}, 3.0 * (i % 7) - 0.5 * (i % 5) ** 2 + 10.0)
    for a, b in ((0, 0), (6, 16), (3, 4)):
        assert model.predict_one({"a": a, "b": b}) == pytest.approx(3.0 * a - 0.5 * b + 10.0, abs=0.5)
    assert list(model.coefficients) == ["a", "b"]
    assert model.coefficients["a"] > 0 > model.coefficients["b"]
