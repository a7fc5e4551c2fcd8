"""Optimizers: how one gradient changes the parameters. One file each; each is usable with every learner."""

from edgedescent.optim.adam import Adam
from edgedescent.optim.base import Optimizer
from edgedescent.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
