"""Rows of `learn.py`: recommenders that learn ratings, and factorization machines on the same ratings as dicts."""

from __future__ import annotations

from harness import Driver, Peer, Row, Target
from learn_peers import OURS, learn_dicts, learn_ratings
from streams import ratings, ratings_as_features

from edgedescent import FactorizationMachine, MatrixFactorization
from edgedescent_sims.peers.river_ratings import RiverBiasedMF


def ours_factors() -> Driver:
    model = MatrixFactorization(n_factors=10)
    return Driver(learn_ratings(model), lambda event: model.predict_one(event[0], event[1]))


def river_factors() -> Driver:
    # River's own model, as in its documentation, without the peer around it.
    model = RiverBiasedMF().start().model
    return Driver(learn_ratings(model), lambda event: float(model.predict_one(event[0], event[1])))


def factors_row() -> Row:
    return Row(
        "matrix factorization, k=10",
        ratings,
        [
            Peer(OURS, ours_factors, note="MatrixFactorization(n_factors=10)."),
            Peer("River", river_factors, note="BiasedMF(n_factors=10) with SGD(0.025)."),
        ],
        Target("River", at_least=15),
    )


def ours_machine() -> Driver:
    model = FactorizationMachine(n_factors=10, features_max=10_000)
    return Driver(learn_dicts(model), lambda event: model.predict_one(event[0]))


def river_machine() -> Driver:
    from river import facto

    # With its default optimizers; strings become categories, as with ours.
    model = facto.FMRegressor(n_factors=10, seed=71)
    return Driver(learn_dicts(model), lambda event: float(model.predict_one(event[0])))


def machine_row() -> Row:
    return Row(
        "factorization machine, k=10",
        ratings_as_features,
        [
            Peer(OURS, ours_machine, note="FactorizationMachine(n_factors=10) on the same ratings as dicts."),
            Peer("River", river_machine, note="FMRegressor(n_factors=10)."),
        ],
        Target("River", at_least=30),
    )
