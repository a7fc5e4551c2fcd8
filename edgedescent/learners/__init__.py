"""Learners: models that change with every event. One file each."""

from edgedescent.learners.base import Learner
from edgedescent.learners.linear import LinearRegressor
from edgedescent.learners.matrix_factorization import MatrixFactorization

__all__ = ["Learner", "LinearRegressor", "MatrixFactorization"]
