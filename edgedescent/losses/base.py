"""Base class of losses."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import ClassVar, Literal

from edgedescent.validation import Declared

TRAVEL_STEPS = 16
"""Steps of the numerical travel of a loss written in Python."""


@dataclass(frozen=True, kw_only=True)
class Loss(Declared):
    """Hyper-parameters of a loss; the state of an adaptive loss belongs to the learner that uses it.

    A subclass is a frozen dataclass. Where `rule` names a compiled loss, its fields are the hyper-parameters in the
    order in which the compiled code reads them. A loss may also be written in Python, with the methods `value` and
    `slope`: see docs/extending.md.
    """

    rule: ClassVar[str] = "python"
    """Name of the compiled loss."""
    scaling: ClassVar[Literal["standardized", "by_mean", "as_is"]] = "standardized"
    """Units of the target: ``(y - mean) / sd``, ``y / mean`` with prediction ``mean exp(score)``, or ``y`` itself with
    prediction ``1 / (1 + exp(-score))``."""
    binary: ClassVar[bool] = False
    """True for labels between 0 and 1, where predictions are probabilities."""
    least: ClassVar[float] = -math.inf
    """Smallest target that the loss is defined for."""

    @property
    def hyper(self) -> tuple[float, ...]:
        """Hyper-parameters as the compiled loss takes them; none for a loss in Python."""
        return () if self.rule == "python" else tuple(float(value) for value in astuple(self))

    def value(self, target: float, score: float) -> float:
        """Loss of a score; only for losses written in Python.

        Args:
            target: Target in the units of `scaling`.
            score: Score of the model in the same units.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `value`.")

    def slope(self, target: float, score: float) -> float:
        """Derivative of `value` by the score, which must not fall with the score (a convex loss)."""
        raise NotImplementedError(f"{type(self).__name__} does not define `slope`.")

    def travel(self, target: float, score: float, time: float) -> float:
        """Change of the score when it follows ``df/dt = -slope(f)`` for some time, as ImportanceAware needs it.

        The default integrates by backward Euler steps, each solved by bisection, which never carries the score past the
        minimum of a convex loss. A subclass may define the closed form.
        """
        step, start = time / TRAVEL_STEPS, score
        for _ in range(TRAVEL_STEPS):
            slope = self.slope(target, score)
            if slope == 0.0 or step == 0.0:
                break
            # The end f of the step solves f + step slope(f) = score, and lies between the score and its explicit step.
            near, far = score, min(max(score - step * slope, -1e100), 1e100)
            for _ in range(80):
                middle = near + 0.5 * (far - near)
                behind = middle + step * self.slope(target, middle) - score
                near, far = (near, middle) if behind * slope < 0.0 else (middle, far)
            score = near
        return score - start
