"""AdaGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class AdaGrad(Optimizer):
    """AdaGrad: steps that shrink with the gradients a parameter has seen; made for ids that come rarely.

    ::

        s <- s + g²
        w <- w - lr g / (sqrt(initial + s) + eps)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import AdaGrad
        >>> model = LinearRegressor(optimizer=AdaGrad(lr=0.2))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Duchi, Hazan and Singer 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
        JMLR 12.
    """

    rule: ClassVar[str] = "adagrad"
    slots: ClassVar[tuple[str, ...]] = ("s",)
    scales_itself: ClassVar[bool] = True

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.1
    initial: Annotated[
        float,
        Meta(
            ge=0,
            description="First value of the sum of squares: with 0 the first step has size lr for any gradient, "
            "with more it is in proportion to it",
        ),
    ] = 0.0
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
