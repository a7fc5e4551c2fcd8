"""Importance-aware updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class ImportanceAware(Optimizer):
    """Gradient descent that follows the loss's curve instead of its tangent, and so never steps past the target.

    ::

        f'(τ) = -dloss/df        from the event's score, for the time τ = lr |J|²
        w <- w - (f(0) - f(τ)) / |J|² J

    ``J`` is the derivative of the score by the parameters. For the squared loss, the score closes a share of ``1 -
    exp(-lr |J|²)`` of its distance to the target; every loss has its own closed form (labels strictly between 0 and 1
    under the logistic loss have none, and go a little less far). A large rate does no harm on clean data.

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
