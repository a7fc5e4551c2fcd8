"""Losses: functions of the target and the score that learners minimize. One file each."""

from edgedescent.losses.absolute import AbsoluteLoss
from edgedescent.losses.adaptive_huber import AdaptiveHuberLoss
from edgedescent.losses.base import Loss
from edgedescent.losses.epsilon_insensitive import EpsilonInsensitiveLoss
from edgedescent.losses.huber import HuberLoss
from edgedescent.losses.log_cosh import LogCoshLoss
from edgedescent.losses.logistic import LogisticLoss
from edgedescent.losses.poisson import PoissonLoss
from edgedescent.losses.quantile import QuantileLoss
from edgedescent.losses.squared import SquaredLoss
from edgedescent.registry import Registry, exported

__all__ = [
    "LOSSES",
    "AbsoluteLoss",
    "AdaptiveHuberLoss",
    "EpsilonInsensitiveLoss",
    "HuberLoss",
    "LogCoshLoss",
    "LogisticLoss",
    "Loss",
    "PoissonLoss",
    "QuantileLoss",
    "SquaredLoss",
]

LOSSES: Registry[type[Loss]] = Registry("loss", "edgedescent.losses", exported(__name__, globals(), Loss), base=Loss)
