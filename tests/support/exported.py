"""All exported learners, optimizers, schedules, losses, detectors; a new one is included without a line of its own."""

from __future__ import annotations

from inspect import signature
from typing import Any

from edgedescent import drift, learners, losses, optim
from edgedescent.drift import Detector
from edgedescent.learners import Learner
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer, Schedule


def exported(module: Any, base: type) -> list[Any]:
    """The proper subclasses of `base` among the names that a module exports."""
    things = [getattr(module, name) for name in module.__all__]
    return [thing for thing in things if isinstance(thing, type) and issubclass(thing, base) and thing is not base]


LEARNERS = exported(learners, Learner)
GRADIENT_LEARNERS = [kind for kind in LEARNERS if "optimizer" in signature(kind).parameters]
OPTIMIZERS = exported(optim, Optimizer)
SCHEDULES = exported(optim, Schedule)
LOSSES = exported(losses, Loss)
DETECTORS = exported(drift, Detector)

# Sizes at which the whole matrix is run through in a minute.
SMALL: dict[str, dict[str, Any]] = {
    "AutoRecommender": {"n_factors": 2},
    "AutoRegressor": {"budget": "tiny"},
    "FactorizationMachine": {"n_factors": 2},
    "BPR": {"n_factors": 2, "n_negatives": 1},
    "MLPRegressor": {"hidden": (4, 3), "replay_steps": 1, "replay_size": 20},
    "MatrixFactorization": {"n_factors": 2},
}


def small(kind: Any, **parameters: Any) -> Any:
    """A learner of few parameters."""
    return kind(**{**SMALL.get(kind.__name__, {}), **parameters})


def accepts_optimizer(kind: Any, optimizer: Optimizer) -> bool:
    """True for a learner that accepts this optimizer."""
    try:
        small(kind, optimizer=optimizer)
    except ValueError as error:
        if "`optimizer`" not in str(error):
            raise
        return False
    return True


OPTIMIZED = [(kind, one) for kind in GRADIENT_LEARNERS for one in OPTIMIZERS if accepts_optimizer(kind, one())]
"""Every learner with every optimizer that it accepts."""


def accepts_loss(kind: Any, loss: Loss) -> bool:
    """True for a learner that has a loss and accepts this one."""
    try:
        small(kind, loss=loss)
    except TypeError:
        return False
    except ValueError as error:
        if "`loss`" not in str(error):
            raise
        return False
    return True
