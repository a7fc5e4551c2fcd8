"""Learners: models that are trained one event at a time. One file each."""

from edgedescent.learners.auto import AutoRegressor
from edgedescent.learners.base import Learner
from edgedescent.learners.bpr import BPR
from edgedescent.learners.factorization_machine import FactorizationMachine
from edgedescent.learners.linear import LinearRegressor
from edgedescent.learners.logistic import LogisticRegressor
from edgedescent.learners.matrix_factorization import MatrixFactorization
from edgedescent.learners.mlp import MLPRegressor
from edgedescent.registry import Registry, exported

__all__ = [
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

LEARNERS: Registry[type[Learner]] = Registry(
    "learner",
    "edgedescent.learners",
    {"auto": f"{__name__}:AutoRegressor", **exported(__name__, globals(), Learner)},
    base=Learner,
)
