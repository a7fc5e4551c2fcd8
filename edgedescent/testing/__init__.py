"""Contracts of learners, optimizers, losses and payload formats, whoever wrote them.

Each check is a function of one object that raises AssertionError with what was promised and what happened. The project
runs all of them on everything it exports; whoever writes a plug-in can do the same in one line of a test.

Example:
    >>> from edgedescent import LinearRegressor
    >>> from edgedescent.testing import check_learner
    >>> check_learner(LinearRegressor(l2=0.01))
"""

from edgedescent.testing.formats import FORMAT_CHECKS, check_format
from edgedescent.testing.learners import LEARNER_CHECKS, check_learner
from edgedescent.testing.losses import LOSS_CHECKS, check_loss
from edgedescent.testing.optimizers import OPTIMIZER_CHECKS, check_optimizer

__all__ = [
    "FORMAT_CHECKS",
    "LEARNER_CHECKS",
    "LOSS_CHECKS",
    "OPTIMIZER_CHECKS",
    "check_format",
    "check_learner",
    "check_loss",
    "check_optimizer",
]
