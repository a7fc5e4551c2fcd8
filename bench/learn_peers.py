"""Loops that the rows of `learn.py` share, and peers that stand in several rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from harness import Driver, Peer
from streams import regression_arrays

from edgedescent.optim import SGD, Adam
from edgedescent_sims.peers.river_linear import RiverLinear

OURS = "EdgeDescent"
Optimizer = SGD | Adam
# A hundred floats are 7 KB per event: fewer events, so that learning is measured and not paging.
SHARES = {10: 1.0, 100: 0.2}


def learn_dicts(model: Any) -> Callable[[Sequence[Any]], None]:
    """Make the loop that ours and River's regressors share, line for line."""
    predict_one, learn_one = model.predict_one, model.learn_one

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            predict_one(x)
            learn_one(x, y)

    return learn


def learn_ratings(model: Any) -> Callable[[Sequence[Any]], None]:
    """Make the loop that ours and River's recommenders share, line for line."""
    predict_one, learn_one = model.predict_one, model.learn_one

    def learn(events: Sequence[Any]) -> None:
        for user, item, y in events:
            predict_one(user, item)
            learn_one(user, item, y)

    return learn


def river_linear_model(optimizer: Any) -> Any:
    # River's own pipeline, as in the documentation of its LinearRegression, without the peer around it.
    return RiverLinear(optimizer=optimizer, lr=0.01, intercept_lr=0.1).start().model


def sklearn_on_rows(model: Any, fitted: str) -> Driver:
    """A model of scikit-learn's behind a scaler; it has the attribute `fitted` once it can predict."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()

    def learn(events: Sequence[Any]) -> None:
        for x, y in events:
            row = x.reshape(1, -1)
            if hasattr(model, fitted):
                model.predict(scaler.transform(row))
            scaler.partial_fit(row)
            model.partial_fit(scaler.transform(row), [y])

    return Driver(learn, lambda event: float(model.predict(scaler.transform(event[0].reshape(1, -1)))[0]))


def sklearn_linear() -> Driver:
    from sklearn.linear_model import SGDRegressor

    return sklearn_on_rows(SGDRegressor(random_state=1), "coef_")


def sklearn_peer(n_features: int) -> Peer:
    stream = partial(regression_arrays, n_features)
    note = "StandardScaler and SGDRegressor.partial_fit (no Adam there), row by row, the first 1/50 of events."
    return Peer("scikit-learn", sklearn_linear, share=0.02, stream=stream, note=note)
