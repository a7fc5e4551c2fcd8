"""Optimizers: rules for updating parameters with a gradient. One file each; every learner can use any of them."""

from edgedescent.optim.adadelta import AdaDelta
from edgedescent.optim.adagrad import AdaGrad
from edgedescent.optim.adam import Adam
from edgedescent.optim.adamw import AdamW
from edgedescent.optim.amsgrad import AMSGrad
from edgedescent.optim.base import Optimizer
from edgedescent.optim.cocob import COCOB
from edgedescent.optim.counted_sgd import CountedSGD
from edgedescent.optim.ftrl import FTRLProximal
from edgedescent.optim.importance_aware import ImportanceAware
from edgedescent.optim.mini_batch import MiniBatch
from edgedescent.optim.momentum import Momentum
from edgedescent.optim.nadam import NAdam
from edgedescent.optim.nesterov import Nesterov
from edgedescent.optim.normalized_adaptive import NormalizedAdaptive
from edgedescent.optim.rls import RLS
from edgedescent.optim.rmsprop import RMSProp
from edgedescent.optim.schedules import Constant, CosineRestarts, InverseScaling, ReduceOnPlateau, Schedule, Step
from edgedescent.optim.sgd import SGD
from edgedescent.registry import Registry, exported

__all__ = [
    "COCOB",
    "OPTIMIZERS",
    "RLS",
    "SCHEDULES",
    "SGD",
    "AMSGrad",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Constant",
    "CosineRestarts",
    "CountedSGD",
    "FTRLProximal",
    "ImportanceAware",
    "InverseScaling",
    "MiniBatch",
    "Momentum",
    "NAdam",
    "Nesterov",
    "NormalizedAdaptive",
    "Optimizer",
    "RMSProp",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
]

OPTIMIZERS: Registry[type[Optimizer]] = Registry(
    "optimizer", "edgedescent.optimizers", exported(__name__, globals(), Optimizer), base=Optimizer
)
SCHEDULES: Registry[type[Schedule]] = Registry(
    "schedule", "edgedescent.schedules", exported(__name__, globals(), Schedule), base=Schedule
)
