"""EdgeDescent: a streaming online-learning engine for edge devices.

>>> from edgedescent import LinearRegressor
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> model.predict_one({"temp": 20.1})
3.2
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

from edgedescent.engine.lines import learn_lines
from edgedescent.lazy import imported_when_used

if TYPE_CHECKING:
    from edgedescent.learners import (
        BPR,
        AutoRanker,
        AutoRegressor,
        DecayedPopularity,
        FactorizationMachine,
        ItemNeighbours,
        LinearRegressor,
        LogisticRegressor,
        MatrixFactorization,
        MLPRegressor,
        SessionCooccurrence,
    )

__all__ = [
    "BPR",
    "AutoRanker",
    "AutoRegressor",
    "DecayedPopularity",
    "FactorizationMachine",
    "ItemNeighbours",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
    "SessionCooccurrence",
    "learn_lines",
]
__version__ = version("edgedescent")

__getattr__ = imported_when_used(__name__, {name: "edgedescent.learners" for name in __all__ if name != "learn_lines"})
