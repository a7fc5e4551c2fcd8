"""EdgeDescent: a streaming online-learning engine for edge devices.

>>> from edgedescent import LinearRegressor
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> model.predict_one({"temp": 20.1})
3.2
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from edgedescent.engine.lines import learn_lines
from edgedescent.lazy import imported_when_used

if TYPE_CHECKING:
    from edgedescent.learners import (
        BPR,
        AutoRanker,
        AutoRecommender,
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
    from edgedescent.learners.model_file import load
    from edgedescent.learners.to_onnx import to_onnx

__all__ = [
    "BPR",
    "AutoRanker",
    "AutoRecommender",
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
    "load",
    "to_onnx",
]
__version__ = version("edgedescent")

_MODULES = {"load": "edgedescent.learners.model_file", "to_onnx": "edgedescent.learners.to_onnx"}

_imported = imported_when_used(
    __name__, {name: _MODULES.get(name, "edgedescent.learners") for name in __all__ if name != "learn_lines"}
)


def __getattr__(name: str) -> object:
    return import_module("edgedescent.plot") if name == "plot" else _imported(name)
