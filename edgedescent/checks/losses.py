"""What every loss must hold. One function a promise, one line in the list at the end."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable

from edgedescent.checks.learners import check_learner
from edgedescent.checks.optimizers import check_fields_are_validated, check_is_an_immutable_value
from edgedescent.checks.support import require
from edgedescent.kernels.losses import gradients
from edgedescent.learners import LinearRegressor
from edgedescent.losses import Loss

TARGETS = array("d", [0.0, 1.0, -2.0, 1e100, -1e100, 0.0, 1e-200, 3.0] * 20)
PREDICTIONS = array("d", [1.0, -1.0, 5.0, -1e100, 1e100, 1e100, 0.0, 2.5] * 20)


def check_loss(loss: Loss) -> None:
    """Run all of LOSS_CHECKS on `loss`, and all checks of learners on one that uses it.

    Raises:
        AssertionError: if it breaks a promise; says which, and how.

    >>> from edgedescent.losses import SquaredLoss
    >>> check_loss(SquaredLoss())
    """
    for check in LOSS_CHECKS:
        check(loss)
    check_learner(LinearRegressor(loss=loss))


def check_loss_is_an_immutable_value(loss: Loss) -> None:
    """It is a frozen dataclass, equal to another with the same hyper-parameters, and every one of them is a number."""
    check_is_an_immutable_value(loss)


def check_loss_parameters_are_validated(loss: Loss) -> None:
    """NaN, an infinity, or an object of no use is refused for each hyper-parameter with a ValueError that names it."""
    check_fields_are_validated(loss)


def check_right_predictions_have_no_gradient(loss: Loss) -> None:
    """Where the prediction is the target, there is nothing to learn."""
    got = gradients(loss.rule, loss.hyper, TARGETS, TARGETS)
    require(loss, not any(got), f"predictions equal to their targets have the gradients {got}")


def check_gradients_point_to_the_target(loss: Loss) -> None:
    """A gradient is finite and never points away from the target; errors of 2 and more standard deviations have one."""
    got = gradients(loss.rule, loss.hyper, TARGETS, PREDICTIONS)
    for target, prediction, slope in zip(TARGETS, PREDICTIONS, got, strict=True):
        error = prediction - target
        right = math.isfinite(slope) and slope * math.copysign(1.0, error) >= 0.0 and (slope != 0.0 or abs(error) < 2.0)
        require(loss, right, f"the gradient at prediction {prediction} of target {target} is {slope}")


def check_losses_share_nothing(loss: Loss) -> None:
    """What a loss adapts to in one learner does not reach another."""
    first = gradients(loss.rule, loss.hyper, TARGETS, PREDICTIONS)
    require(loss, first == gradients(loss.rule, loss.hyper, TARGETS, PREDICTIONS), "one sequence has two gradients")


LOSS_CHECKS: tuple[Callable[[Loss], None], ...] = (
    check_loss_is_an_immutable_value,
    check_loss_parameters_are_validated,
    check_right_predictions_have_no_gradient,
    check_gradients_point_to_the_target,
    check_losses_share_nothing,
)
