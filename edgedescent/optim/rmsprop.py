"""RMSProp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class RMSProp(Optimizer):
    """RMSProp: steps scaled by a running average of the squared gradient.

    ::

        v <- rho v + (1 - rho) g²
        w <- w - lr g / (sqrt(v) + eps)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import RMSProp
        >>> model = LinearRegressor(optimizer=RMSProp(lr=0.002))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Tieleman and Hinton 2012, "Lecture 6.5: RMSProp", COURSERA: Neural Networks for Machine Learning.
    """

    rule: ClassVar[str] = "rmsprop"
    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.005
    rho: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average squared gradient")] = 0.9
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
