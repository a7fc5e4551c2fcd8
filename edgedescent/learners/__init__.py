"""Learners: models that are trained one event at a time. One file each."""

from typing import TYPE_CHECKING, Any

from edgedescent.learners.base import Learner
from edgedescent.learners.bpr import BPR
from edgedescent.learners.factorization_machine import FactorizationMachine
from edgedescent.learners.linear import LinearRegressor
from edgedescent.learners.logistic import LogisticRegressor
from edgedescent.learners.matrix_factorization import MatrixFactorization
from edgedescent.learners.mlp import MLPRegressor
from edgedescent.registry import Registry, exported

if TYPE_CHECKING:
    from edgedescent.learners.auto import AutoRegressor

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
    {
        **dict.fromkeys(("auto", "AutoRegressor"), "edgedescent.learners.auto:AutoRegressor"),
        **exported(__name__, globals(), Learner),
    },
    base=Learner,
)


def __getattr__(name: str) -> Any:
    # Its members take 2 MiB, which a device with another learner does not need.
    if name == "AutoRegressor":
        from edgedescent.learners.auto import AutoRegressor

        return AutoRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
