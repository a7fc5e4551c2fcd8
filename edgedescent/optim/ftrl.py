"""FTRL-Proximal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class FTRLProximal(Optimizer):
    """FTRL-Proximal (follow the regularized leader): gradient descent with exact zeros from its L1 penalty.

    ::

        s  = (sqrt(n + g²) - sqrt(n)) / lr
        z <- z + g - s w
        n <- n + g²
        w <- 0   if |z| <= l1   else   -(z - sign(z) l1) / ((beta + sqrt(n)) / lr + l2)

    For a parameter that does not start at zero, as in a network, the initial ``z`` is the one for which the last line
    gives the start value. Unlike the `l2` of a learner, this `l2` is part of the closed form.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import FTRLProximal
        >>> model = LinearRegressor(optimizer=FTRLProximal(l1=1.0))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        McMahan et al. 2013, "Ad Click Prediction: a View from the Trenches", KDD, algorithm 1.
    """

    rule: ClassVar[str] = "ftrl"
    slots: ClassVar[tuple[str, ...]] = ("z", "n")
    scales_itself: ClassVar[bool] = True
    derives_weights: ClassVar[bool] = True

    lr: Annotated[float, Meta(gt=0, description="Learning rate, the paper's alpha")] = 0.1
    beta: Annotated[float, Meta(gt=0, description="Delay before the rate falls")] = 1.0
    l1: Annotated[float, Meta(ge=0, description="Weight of the L1 penalty, in units of summed gradients")] = 0.0
    l2: Annotated[float, Meta(ge=0, description="Weight of the L2 penalty, likewise")] = 0.0
