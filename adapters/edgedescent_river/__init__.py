"""River adapter: makes EdgeDescent's learners estimators of River.

Importing it is all there is to do:

>>> import edgedescent_river
>>> from edgedescent import LinearRegressor
>>> from river import datasets, evaluate, metrics, preprocessing
>>> model = preprocessing.StandardScaler() | LinearRegressor()
>>> mae = evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
>>> mae.get() < 1.0
True

River is large, so nothing in `edgedescent` imports this package; only who wants River pays for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from river import base, reco

from edgedescent.learners import (
    FactorizationMachine,
    Learner,
    LinearRegressor,
    MatrixFactorization,
    MLPRegressor,
)

__all__ = ["RiverAdapter"]

# What River's functions and pipelines call on an estimator besides learning and predicting. All of it rests
# on the constructor's signature and on attributes of the same names, which our learners have too.
_BORROWED = (
    "__or__",
    "__ror__",
    "_memory_usage",
    "_more_tags",
    "_mutable_attributes",
    "_raw_memory_usage",
    "_repr_html_",
    "_supervised",
    "_tags",
    "_unit_test_params",
    "mutate",
)
REGRESSORS = (LinearRegressor, FactorizationMachine, MLPRegressor)
RANKERS = (MatrixFactorization,)


class RiverAdapter:
    """Makes the learners virtual subclasses of River's abstract classes.

    `LinearRegressor`, `FactorizationMachine` and `MLPRegressor` become `river.base.Regressor`s and
    `MatrixFactorization` a `river.reco.base.Ranker`, so that `isinstance` holds, and all get the methods that River
    expects of an estimator. What they learn and predict does not change. `LogisticRegressor` becomes neither, because
    River's classifiers predict labels and its regressors take any target; nor does `ImplicitMatrixFactorization`,
    because River's rankers take any rating.
    """

    @staticmethod
    def register() -> None:
        """Register every learner; done once when this package is imported, and harmless when repeated."""
        members = {name: inspect.getattr_static(base.Estimator, name) for name in _BORROWED}
        members |= {
            "__str__": _name,
            "_get_params": _params,
            "_is_stochastic": property(_no),
            "_unit_test_skips": _checks_to_skip,
        }
        for name, member in members.items():
            setattr(Learner, name, member)
        for regressor in REGRESSORS:
            base.Regressor.register(regressor)
        for ranker in RANKERS:
            for name, member in {"rank": _rank, "is_contextual": property(_no)}.items():
                setattr(ranker, name, member)
            reco.base.Ranker.register(ranker)


def _name(learner: Learner) -> str:
    """Title a step where River draws or debugs a pipeline."""
    return type(learner).__name__


def _params(learner: Learner) -> dict[str, Any]:
    # River takes a tuple for a class with its parameters, and an empty one breaks it.
    return {k: list(v) if isinstance(v, tuple) else v for k, v in learner.get_params().items()}


def _checks_to_skip(learner: Learner) -> set[str]:
    # River allows only plain values as defaults, because a default that changes is shared by everyone. Our
    # default optimizers and losses are frozen dataclasses, which cannot change.
    skips = {"check_init_default_params_are_not_mutable"}
    # An event of a ranker is a user and an item, from which River's own rankers cannot drop features either.
    return skips | reco.base.Ranker._unit_test_skips(learner) if learner.takes == "ratings" else skips


def _no(_learner: Learner) -> bool:
    return False


def _rank(
    ranker: MatrixFactorization,
    user: str | int,
    items: Iterable[str | int],
    x: Any = None,  # noqa: ARG001 - River's signature
) -> list[str | int]:
    """Order the given items by decreasing prediction for `user`.

    Args:
        ranker: the learner that this is a method of.
        user: an id; for an unknown one the items' biases alone decide.
        items: the ids to order.
        x: the context that River hands to contextual rankers; not used.

    Raises:
        ValueError: if an id is neither a string nor an integer.
    """
    return sorted(items, key=lambda item: ranker.predict_one(user, item), reverse=True)


RiverAdapter.register()
