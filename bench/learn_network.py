"""A row of `learn.py`: small networks, ours with and without replay."""

from __future__ import annotations

from functools import partial

from harness import Driver, Peer, Row
from learn_peers import OURS, learn_dicts, sklearn_on_rows
from streams import regression, regression_arrays

from edgedescent import MLPRegressor


def ours_network(**parameters: int) -> Driver:
    model = MLPRegressor(**parameters)
    return Driver(learn_dicts(model), lambda event: model.predict_one(event[0]))


def sklearn_network() -> Driver:
    from sklearn.neural_network import MLPRegressor as SklearnMLP

    return sklearn_on_rows(SklearnMLP(hidden_layer_sizes=(64, 32), random_state=1), "coefs_")


def network_row() -> Row:
    return Row(
        "network with replay, 10 features",
        partial(regression, 10),
        [
            Peer(
                OURS,
                ours_network,
                note="MLPRegressor(): (64, 32) units, 9 steps per event, each but the first of 8 replayed events.",
            ),
            Peer("ours without replay", partial(ours_network, replay_steps=0), note="MLPRegressor(replay_steps=0)."),
            Peer(
                "scikit-learn",
                sklearn_network,
                share=0.2,
                stream=partial(regression_arrays, 10),
            ),
        ],
        # A hundred times as much arithmetic as that of the linear rows.
        share=0.1,
    )
