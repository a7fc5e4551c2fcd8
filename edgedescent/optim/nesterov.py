"""Gradient descent with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class Nesterov(Optimizer):
    """Gradient descent with momentum that looks one step ahead.

    ::

        v <- mu v + g
        w <- w - lr (g + mu v)

    The parameters kept are those of the look-ahead, at which the gradient is taken, as in Bengio's form of the rule.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import Nesterov
        >>> model = LinearRegressor(optimizer=Nesterov(lr=0.002))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning",
        ICML; Bengio, Boulanger-Lewandowski and Pascanu 2013, "Advances in optimizing recurrent networks", ICASSP,
        equations 6 and 7.
    """

    rule: ClassVar[str] = "nesterov"
    slots: ClassVar[tuple[str, ...]] = ("v",)

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.001
    mu: Annotated[float, Meta(ge=0, lt=1, description="Share of the sum that is kept from step to step")] = 0.9
