"""All learners, optimizers and losses that the packages export: a new one is in here without a line of its own."""

from __future__ import annotations

from edgedescent import learners, losses, optim
from edgedescent.learners import Learner
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer


def exported(module: object, names: list[str], base: type) -> list[type]:
    """The proper subclasses of `base` among the module's names."""
    things = [getattr(module, name) for name in names]
    return [thing for thing in things if isinstance(thing, type) and issubclass(thing, base) and thing is not base]


LEARNERS = exported(learners, learners.__all__, Learner)
OPTIMIZERS = exported(optim, optim.__all__, Optimizer)
LOSSES = exported(losses, dir(losses), Loss)
