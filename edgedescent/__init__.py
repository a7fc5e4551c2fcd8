"""EdgeDescent: a streaming online-learning engine for edge devices.

>>> from edgedescent import LinearRegressor
>>> model = LinearRegressor()
>>> model.learn_one({"temp": 20.1}, 3.2)
>>> model.predict_one({"temp": 20.1})
3.2
"""

from edgedescent.learners import (
    BPR,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)

__all__ = [
    "BPR",
    "FactorizationMachine",
    "LinearRegressor",
    "LogisticRegressor",
    "MLPRegressor",
    "MatrixFactorization",
]
__version__ = "0.1.0"
