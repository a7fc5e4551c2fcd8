"""Rows of `learn.py`: linear learners on events that come as dicts, of numbers or of categories that are hashed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from harness import Driver, Peer, Row, Target
from learn_peers import OURS, SHARES, Optimizer, learn_dicts, river_linear_model, sklearn_peer
from streams import ratings_as_features, regression, vw_line

from edgedescent import LinearRegressor
from edgedescent.optim import Adam

HASH_BITS = 16


def ours_linear(optimizer: Optimizer) -> Driver:
    model = LinearRegressor(optimizer=optimizer)
    return Driver(learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_linear(optimizer: str) -> Driver:
    model = river_linear_model(optimizer)
    return Driver(learn_dicts(model), lambda event: float(model.predict_one(event[0])))


def vw_linear() -> Driver:
    import vowpalwabbit

    model = vowpalwabbit.Workspace("--quiet")

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            # It predicts before it learns, and keeps the prediction in the example.
            example = model.parse(vw_line(x, y))
            model.learn(example)
            example.get_simplelabel_prediction()
            model.finish_example(example)

    return Driver(learn, lambda event: float(model.predict(vw_line(event[0]))))


def dicts_row(n_features: int, optimizer: Optimizer, at_least: float) -> Row:
    name = type(optimizer).__name__
    return Row(
        f"dicts, linear, {n_features} features, {name}",
        partial(regression, n_features),
        [
            Peer(OURS, partial(ours_linear, optimizer)),
            Peer("River", partial(river_linear, name), note="StandardScaler | LinearRegression(intercept_lr=0.1)."),
            Peer(
                "VW from Python",
                vw_linear,
                share=0.2,
                note="Its binding takes text, made here from the dict.",
                needs="vowpalwabbit",
            ),
            sklearn_peer(n_features),
        ],
        Target("River", at_least),
        SHARES[n_features],
    )


def ours_hashed() -> Driver:
    # The optimizer of River's; the default one would keep a variance of each weight, too.
    model = LinearRegressor(optimizer=Adam(), features_max=2**HASH_BITS, hash_bits=HASH_BITS)
    return Driver(learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_hashed() -> Driver:
    from river import linear_model, optim, preprocessing

    model = preprocessing.FeatureHasher(2**HASH_BITS) | linear_model.LinearRegression(optim.Adam(0.01))
    return Driver(learn_dicts(model), lambda event: float(model.predict_one(event[0])))


def vw_hashed() -> Driver:
    import vowpalwabbit

    model = vowpalwabbit.Workspace(f"--quiet --bit_precision {HASH_BITS}")

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            model.learn(f"{y!r} | " + " ".join([f"{name}={value}" for name, value in x.items()]))

    return Driver(learn, None)


def hashed_row() -> Row:
    return Row(
        f"dicts, linear, 2 categories hashed to {HASH_BITS} bits",
        ratings_as_features,
        [
            Peer(OURS, ours_hashed, note=f"LinearRegressor(Adam(), hash_bits={HASH_BITS}) there."),
            Peer("River", river_hashed, note="FeatureHasher | LinearRegression(Adam(0.01)) there."),
            Peer("VW from Python", vw_hashed, share=0.2, needs="vowpalwabbit"),
        ],
    )
