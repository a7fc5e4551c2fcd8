"""Learners: models that are trained one event at a time. One file each."""

from typing import TYPE_CHECKING

from edgedescent.lazy import imported_when_used
from edgedescent.learners.base import Learner
from edgedescent.registry import Registry

if TYPE_CHECKING:
    from edgedescent.learners.session_cooccurrence import SessionCooccurrence
    from edgedescent.learners.item_neighbours import ItemNeighbours
    from edgedescent.learners.decayed_popularity import DecayedPopularity
    from edgedescent.learners.auto_ranker import AutoRanker
    from edgedescent.learners.auto import AutoRegressor
    from edgedescent.learners.bpr import BPR
    from edgedescent.learners.factorization_machine import FactorizationMachine
    from edgedescent.learners.linear import LinearRegressor
    from edgedescent.learners.logistic import LogisticRegressor
    from edgedescent.learners.matrix_factorization import MatrixFactorization
    from edgedescent.learners.mlp import MLPRegressor

__all__ = [
    "SessionCooccurrence",
    "ItemNeighbours",
    "DecayedPopularity",
    "AutoRanker",
    "BPR",
    "LEARNERS",
    "AutoRegressor",
    "FactorizationMachine",
    "Learner",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
]

# A device has memory for the one that it uses.
_MODULES = {
    "SessionCooccurrence": "edgedescent.learners.session_cooccurrence",
    "ItemNeighbours": "edgedescent.learners.item_neighbours",
    "DecayedPopularity": "edgedescent.learners.decayed_popularity",
    "AutoRanker": "edgedescent.learners.auto_ranker",
    "AutoRegressor": "edgedescent.learners.auto",
    "BPR": "edgedescent.learners.bpr",
    "FactorizationMachine": "edgedescent.learners.factorization_machine",
    "LinearRegressor": "edgedescent.learners.linear",
    "LogisticRegressor": "edgedescent.learners.logistic",
    "MLPRegressor": "edgedescent.learners.mlp",
    "MatrixFactorization": "edgedescent.learners.matrix_factorization",
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
