"""EdgeDescent: a streaming online-learning engine for edge devices.

>>> from edgedescent import LinearRegressor
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> model.predict_one({"temp": 20.1})
3.2
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from edgedescent.engine.lines import learn_lines
from edgedescent.learners import (
    BPR,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)

if TYPE_CHECKING:
    from edgedescent.learners import AutoRegressor

__all__ = [
    "BPR",
    "AutoRegressor",
    "FactorizationMachine",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
    "learn_lines",
]
__version__ = version("edgedescent")


def __getattr__(name: str) -> Any:
    # Imported when it is first used, see `edgedescent.learners`.
    if name == "AutoRegressor":
        from edgedescent.learners import AutoRegressor

        return AutoRegressor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
