"""Contract checks for learners, optimizers, losses, detectors and payload formats, for use in the tests of plug-ins.

Each check is a function of one object. It raises AssertionError with a description of the violation. The project runs
all checks on everything it exports; a plug-in can run them in one line of a test.

Example:
    >>> from edgedescent import LinearRegressor
    >>> from edgedescent.testing import check_learner
    >>> check_learner(LinearRegressor(l2=0.01))
"""

from edgedescent.testing.detectors import DETECTOR_CHECKS, check_detector
from edgedescent.testing.formats import FORMAT_CHECKS, check_format
from edgedescent.testing.learners import LEARNER_CHECKS, check_learner
from edgedescent.testing.losses import LOSS_CHECKS, check_loss
from edgedescent.testing.optimizers import OPTIMIZER_CHECKS, check_optimizer

__all__ = [
    "DETECTOR_CHECKS",
    "FORMAT_CHECKS",
    "LEARNER_CHECKS",
    "LOSS_CHECKS",
    "OPTIMIZER_CHECKS",
    "check_detector",
    "check_format",
    "check_learner",
    "check_loss",
    "check_optimizer",
]
