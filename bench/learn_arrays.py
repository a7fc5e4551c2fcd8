"""Rows of `learn.py`: linear learners on arrays, beside a plain loop in C that predicts the same bits."""

from __future__ import annotations

from functools import partial
from typing import Any

import click
import numpy as np
from harness import Driver, Peer, Row, Target
from learn_peers import OURS, SHARES, Optimizer, river_linear_model, sklearn_peer
from plain import PlainLoop
from streams import Arrays, regression_matrix

from edgedescent import LinearRegressor
from edgedescent.losses import AdaptiveHuberLoss
from edgedescent.optim import Adam


def ours_on_arrays(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer, loss=AdaptiveHuberLoss())

    def learn(events: Arrays) -> None:
        model.learn_many(events.X, events.y)

    return Driver(learn, lambda event: float(model.predict_many(event[0].reshape(1, -1))[0]))


def plain_loop(n_features: int, optimizer: Optimizer) -> Driver:
    model = PlainLoop(n_features, isinstance(optimizer, Adam), optimizer.lr)

    def learn(events: Arrays) -> None:
        model.learn_many(events.X, events.y)

    return Driver(learn, None)


def check_same_bits(n_features: int, optimizer: Optimizer) -> None:
    """Raise an error unless the plain loop predicts the very same bits as our learner."""
    events = regression_matrix(n_features, 2000)
    model = LinearRegressor(optimizer=optimizer, loss=AdaptiveHuberLoss())
    loop = PlainLoop(n_features, isinstance(optimizer, Adam), optimizer.lr)
    if not np.array_equal(model.learn_many(events.X, events.y), loop.learn_many(events.X, events.y)):
        raise click.ClickException("The plain C loop and LinearRegressor.learn_many predict differently.")


def river_on_rows(n_features: int, optimizer: str) -> Driver:
    model = river_linear_model(optimizer)
    names = [f"x{i}" for i in range(n_features)]

    def learn(events: Arrays) -> None:
        for row, y in zip(events.X.tolist(), events.y.tolist(), strict=True):
            x = dict(zip(names, row, strict=True))
            model.predict_one(x)
            model.learn_one(x, y)

    def predict(event: Any) -> float:
        return float(model.predict_one(dict(zip(names, event[0].tolist(), strict=True))))

    return Driver(learn, predict)


def arrays_row(n_features: int, optimizer: Optimizer) -> Row:
    name = type(optimizer).__name__
    return Row(
        f"arrays, linear, {n_features} features, {name}",
        partial(regression_matrix, n_features),
        [
            Peer(OURS, partial(ours_on_arrays, optimizer)),
            Peer(
                "plain C loop",
                partial(plain_loop, n_features, optimizer),
                note="bench/plain.c, compiled as the kernels are; it predicts the same bits, which was checked.",
            ),
            Peer("River", partial(river_on_rows, n_features, name), share=0.2),
            sklearn_peer(n_features),
        ],
        Target("plain C loop", at_least=0.5),
        SHARES[n_features],
        check=partial(check_same_bits, n_features, optimizer),
    )
