"""Importance-aware updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class ImportanceAware(Optimizer):
    """Gradient descent with importance-aware updates, which integrate the loss's slope and never overshoot the target.

    ::

        f'(τ) = -dloss/df        from the event's score, for the time τ = lr |J|²
        w <- w - (f(0) - f(τ)) / |J|² J

    ``J`` is the derivative of the score with respect to the parameters. For the squared loss, the step reduces the
    distance of the score to the target by the fraction ``1 - exp(-lr |J|²)``. Each compiled loss has a closed form,
    except the logistic loss for labels strictly between 0 and 1, where a slightly smaller step is used. On data without
    noise, large learning rates are safe.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import ImportanceAware
        >>> model = LinearRegressor(optimizer=ImportanceAware(lr=0.1))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Karampatziakis and Langford 2011, "Online Importance Weight Aware Updates", UAI, table 1.
    """

    rule: ClassVar[str] = "importance_aware"
    slots: ClassVar[tuple[str, ...]] = ()

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.05
