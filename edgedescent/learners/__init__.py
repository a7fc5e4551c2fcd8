"""Learners: models that are trained one event at a time. One file each."""

from typing import TYPE_CHECKING

from edgedescent.lazy import imported_when_used
from edgedescent.learners.base import Learner
from edgedescent.registry import Registry

if TYPE_CHECKING:
    from edgedescent.learners.auto import AutoRegressor
    from edgedescent.learners.auto_ranker import AutoRanker
    from edgedescent.learners.auto_recommender import AutoRecommender
    from edgedescent.learners.bpr import BPR
    from edgedescent.learners.decayed_popularity import DecayedPopularity
    from edgedescent.learners.factorization_machine import FactorizationMachine
    from edgedescent.learners.item_neighbours import ItemNeighbours
    from edgedescent.learners.linear import LinearRegressor
    from edgedescent.learners.logistic import LogisticRegressor
    from edgedescent.learners.matrix_factorization import MatrixFactorization
    from edgedescent.learners.mlp import MLPRegressor
    from edgedescent.learners.session_cooccurrence import SessionCooccurrence

__all__ = [
    "BPR",
    "LEARNERS",
    "AutoRanker",
    "AutoRecommender",
    "AutoRegressor",
    "DecayedPopularity",
    "FactorizationMachine",
    "ItemNeighbours",
    "Learner",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
    "SessionCooccurrence",
]

# A device has memory for the one that it uses.
_MODULES = {
    "AutoRanker": "edgedescent.learners.auto_ranker",
    "AutoRecommender": "edgedescent.learners.auto_recommender",
    "AutoRegressor": "edgedescent.learners.auto",
    "BPR": "edgedescent.learners.bpr",
    "DecayedPopularity": "edgedescent.learners.decayed_popularity",
    "FactorizationMachine": "edgedescent.learners.factorization_machine",
    "ItemNeighbours": "edgedescent.learners.item_neighbours",
    "LinearRegressor": "edgedescent.learners.linear",
    "LogisticRegressor": "edgedescent.learners.logistic",
    "MatrixFactorization": "edgedescent.learners.matrix_factorization",
    "MLPRegressor": "edgedescent.learners.mlp",
    "SessionCooccurrence": "edgedescent.learners.session_cooccurrence",
}

LEARNERS: Registry[type[Learner]] = Registry(
    "learner",
    "edgedescent.learners",
    {
        "auto": "edgedescent.learners.auto:AutoRegressor",
        **{name: f"{module}:{name}" for name, module in _MODULES.items()},
    },
    base=Learner,
)

__getattr__ = imported_when_used(__name__, _MODULES)
