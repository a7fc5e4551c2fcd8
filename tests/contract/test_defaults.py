"""Optimizers and losses as they come: on streams that drift, every learner beats predicting the mean so far."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgedescent import BPR, AutoRegressor, LogisticRegressor
from edgedescent.losses import AdaptiveHuberLoss, LogisticLoss, QuantileLoss
from support.exported import GRADIENT_LEARNERS, LOSSES, OPTIMIZED, accepts_loss, small

N = 2000


def features(seed: int, n_features: int) -> Iterator[tuple[dict[str, float], float]]:
    """A line with noise; half way through all its slopes change."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.integers(-3, 4, n_features)
    w = rng.normal(size=n_features)
    for t in range(N):
        if t == N // 2:
            w = rng.normal(size=n_features)
        x = rng.normal(size=n_features)
        y = 100.0 + 20.0 * (w @ x + 0.3 * rng.normal()) / np.sqrt(n_features)
        yield {f"x{i}": float(v) for i, v in enumerate(x * scales)}, float(y)


def ratings(seed: int) -> Iterator[tuple[str, str, float]]:
    """Biases and factors; half way through, the items' biases change."""
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(20, 3)), rng.normal(size=(15, 3))
    for t in range(N):
        if t == N // 2:
            items[:, 0] = rng.normal(size=15)
        u, i = rng.integers(20), rng.integers(15)
        yield str(u), str(i), float(3.0 + 0.7 * users[u, 0] + 0.7 * items[i, 0] + 0.4 * users[u, 1:] @ items[i, 1:])


def relative_error(model: Any, n_features: int = 6, seed: int = 1) -> float:
    """The mean error as a multiple of that of the mean of the targets so far; squared where targets are labels."""
    stream: list[tuple[Any, ...]]
    stream = list(ratings(seed)) if model.input_kind == "ratings" else list(features(seed, n_features))
    loss = getattr(model, "loss", AdaptiveHuberLoss())
    labels = loss.binary
    if labels:
        stream = [(x, float(y > 100.0)) for x, y in stream]
    elif math.isfinite(loss.least):
        rng = np.random.default_rng(seed)
        stream = [(x, float(rng.poisson(np.exp((y - 60.0) / 20.0)))) for x, y in stream]
    errors, baseline, mean = 0.0, 0.0, 0.0
    for t, (*x, y) in enumerate(stream):
        prediction = model.predict_learn_one(*x, y)
        if t >= 100:
            errors += (prediction - y) ** 2 if labels else abs(prediction - y)
            baseline += (mean - y) ** 2 if labels else abs(mean - y)
        mean += (y - mean) / (t + 1)
    assert not model.counts().get("updates_undone")
    return errors / baseline


def as_it_comes(learner: Any, **parameters: Any) -> Any:
    """A learner of few parameters, which replays if it does by default: most of the network's steps are replays."""
    replaying = {"replay_steps": 4} if getattr(learner(), "replay_steps", 0) else {}
    return small(learner, **replaying, **parameters)


# What ranks has no error to speak of.
RATERS = [learner for learner in GRADIENT_LEARNERS if learner is not BPR]


@pytest.mark.parametrize(("learner", "optimizer"), [pair for pair in OPTIMIZED if pair[0] in RATERS])
def test_every_optimizer_learns_as_it_comes(learner: Any, optimizer: Any) -> None:
    assert relative_error(as_it_comes(learner, optimizer=optimizer())) < 0.97


@pytest.mark.parametrize(
    ("learner", "optimizer"), [pair for pair in OPTIMIZED if pair[0] in RATERS and pair[0].input_kind == "features"]
)
def test_more_features_break_none(learner: Any, optimizer: Any) -> None:
    assert relative_error(as_it_comes(learner, optimizer=optimizer()), n_features=25) < 1.0


@pytest.mark.parametrize(
    ("learner", "loss"), [(learner, loss) for learner in RATERS for loss in LOSSES if accepts_loss(learner, loss())]
)
def test_every_loss_learns_as_it_comes(learner: Any, loss: Any) -> None:
    assert relative_error(small(learner, loss=loss())) < 0.97


@pytest.mark.parametrize("n_features", [6, 25])
def test_the_automatic_regressor_learns_as_it_comes(n_features: int) -> None:
    assert relative_error(AutoRegressor(budget="tiny"), n_features) < 0.8


@pytest.mark.parametrize("q", [0.1, 0.9])
def test_a_quantile_is_one(q: float) -> None:
    from edgedescent import LinearRegressor

    model = LinearRegressor(loss=QuantileLoss(q=q))
    below = [y < model.predict_learn_one(x, y) for x, y in features(2, 4)]
    assert np.mean(below[1500:]) == pytest.approx(q, abs=0.07)


def test_probabilities_are_probabilities() -> None:
    model = LogisticRegressor(loss=LogisticLoss())
    rng = np.random.default_rng(0)
    predicted, seen = [], []
    for _ in range(4000):
        x = float(rng.normal())
        y = rng.random() < 1 / (1 + np.exp(-2 * x))
        predicted.append(model.predict_learn_one({"x": x}, float(y)))
        seen.append(y)
    likely = np.array(predicted[1000:]) > 0.7
    assert np.mean(np.array(seen[1000:])[likely]) == pytest.approx(
        np.mean(np.array(predicted[1000:])[likely]), abs=0.05
    )
