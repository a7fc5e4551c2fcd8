"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class Momentum(Optimizer):
    """Gradient descent with a heavy ball: steps along a decaying sum of the gradients so far.

    ::

        v <- mu v + g
        w <- w - lr v

    A steady gradient is followed at the rate lr / (1 - mu).

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import Momentum
        >>> model = LinearRegressor(optimizer=Momentum(lr=0.002))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Polyak 1964, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics
        and Mathematical Physics 4(5).
    """

    rule: ClassVar[str] = "momentum"
    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.001
    mu: Annotated[float, Meta(ge=0, lt=1, description="Share of the sum that is kept from step to step")] = 0.9
