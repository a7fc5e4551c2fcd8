"""Optimizers: how one gradient changes the parameters. One file each; each is usable with every learner."""

from edgedescent.optim.adagrad import AdaGrad
from edgedescent.optim.adam import Adam
from edgedescent.optim.counted_sgd import CountedSGD
from edgedescent.optim.base import Optimizer
from edgedescent.optim.schedules import Constant, CosineRestarts, InverseScaling, ReduceOnPlateau, Schedule, Step
from edgedescent.optim.sgd import SGD

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "Constant",
    "CountedSGD",
    "CosineRestarts",
    "InverseScaling",
    "Optimizer",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
]
