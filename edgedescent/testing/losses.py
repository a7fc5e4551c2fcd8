"""Contract checks for losses, one function each; LOSS_CHECKS at the end lists them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence

from edgedescent.learners import LinearRegressor, LogisticRegressor
from edgedescent.losses import Loss
from edgedescent.losses._losses import evaluate, travels
from edgedescent.testing.learners import check_learner
from edgedescent.testing.optimizers import check_fields_are_validated, check_is_an_immutable_value
from edgedescent.testing.support import require

# Scores that avoid most kinks of the losses, where the slope is only bounded by the slopes on both sides.
SCORES = tuple(0.37 * n for n in range(-60, 61))
EXTREMES = (-1e100, -1e3, -1e-200, 0.0, 1e-200, 1e3, 1e100)


def check_loss(loss: Loss) -> None:
    """Run all of LOSS_CHECKS on `loss`, and all checks of learners on one that uses it.

    Raises:
        AssertionError: If a check fails; the message describes the violation.

    >>> from edgedescent.losses import SquaredLoss
    >>> check_loss(SquaredLoss())
    """
    for check in LOSS_CHECKS:
        check(loss)
    check_learner(LogisticRegressor(loss=loss) if loss.binary else LinearRegressor(loss=loss))


def check_loss_is_an_immutable_value(loss: Loss) -> None:
    """Check that a loss is a frozen dataclass that compares equal by its numeric hyper-parameters."""
    check_is_an_immutable_value(loss)


def check_loss_parameters_are_validated(loss: Loss) -> None:
    """Check that NaN, infinities and objects of a wrong type raise a ValueError that names the hyper-parameter."""
    check_fields_are_validated(loss)


def check_slope_is_the_derivative(loss: Loss) -> None:
    """Check that the slope is the derivative: it lies between the slopes of the secants on both sides."""
    step = 1e-5
    for target in targets(loss):
        for score in SCORES:
            (below, value, above), slopes = _evaluate(loss, target, [score - step, score, score + step])
            left, right = (value - below) / step, (above - value) / step
            room = 1e-5 * (1.0 + abs(left)) + 1e-9 * abs(value) / step
            require(
                loss,
                left - room <= slopes[1] <= right + room,
                f"at score {score} of target {target} its slope is {slopes[1]}, the value's {left} and {right}",
            )


def check_slope_never_falls(loss: Loss) -> None:
    """Check that a loss is convex in the score: its slope does not decrease and reaches both signs or zero."""
    for target in targets(loss):
        _, slopes = _evaluate(loss, target, SCORES)
        require(loss, list(slopes) == sorted(slopes), f"for target {target} its slope falls somewhere")
        within = slopes[0] < slopes[-1] and slopes[0] < 1e-6 and slopes[-1] > -1e-6
        require(loss, within, f"for target {target} its slope goes from {slopes[0]} to {slopes[-1]}")


def check_extremes_are_finite(loss: Loss) -> None:
    """Check that slopes and travels are finite for all scores and targets that learners accept."""
    for target in {min(max(y, loss.least), 1.0 if loss.binary else 1e100) for y in EXTREMES}:
        _, slopes = _evaluate(loss, target, EXTREMES)
        require(loss, all(map(math.isfinite, slopes)), f"for target {target} its slopes are {slopes}")
        for score in EXTREMES:
            ways = travels(loss, target, score, (0.0, 1e-9, 1.0, 1e100))
            require(loss, all(map(math.isfinite, ways)), f"from score {score} to target {target} it goes by {ways}")


def check_losses_share_nothing(loss: Loss) -> None:
    """Check that the state of an adaptive loss is not shared between learners."""
    pairs = array("d", [0.0, 1.0, 0.5, 1.0] * 20), array("d", [1.0, -1.0, 5.0, 30.0] * 20)
    first = evaluate(loss, *pairs)
    require(loss, first == evaluate(loss, *pairs), "one sequence has two gradients")


def targets(loss: Loss) -> tuple[float, ...]:
    """Return targets for which a loss is defined."""
    if loss.binary:
        return (0.0, 0.3, 1.0)
    return tuple(max(y, loss.least) for y in (-2.0, 0.0, 1.3))


def _evaluate(loss: Loss, target: float, scores: Sequence[float]) -> tuple[list[float], list[float]]:
    return evaluate(loss, array("d", [target] * len(scores)), array("d", scores), False)


LOSS_CHECKS: tuple[Callable[[Loss], None], ...] = (
    check_loss_is_an_immutable_value,
    check_loss_parameters_are_validated,
    check_slope_is_the_derivative,
    check_slope_never_falls,
    check_extremes_are_finite,
    check_losses_share_nothing,
)
