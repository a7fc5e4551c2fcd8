"""Learners: models that change with every event. One file each."""

from edgedescent.learners.base import Learner
from edgedescent.learners.bpr import BPR
from edgedescent.learners.factorization_machine import FactorizationMachine
from edgedescent.learners.linear import LinearRegressor
from edgedescent.learners.logistic import LogisticRegressor
from edgedescent.learners.matrix_factorization import MatrixFactorization
from edgedescent.learners.mlp import MLPRegressor

__all__ = [
    "BPR",
    "FactorizationMachine",
    "Learner",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
]
