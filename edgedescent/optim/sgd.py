"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Plain stochastic gradient descent.

    ::

        w <- w - lr g

    Raises:
        ValueError: if `lr` is not > 0.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import SGD
        >>> model = LinearRegressor(optimizer=SGD(lr=0.05))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Robbins and Monro 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3).
    """

    rule: ClassVar[str] = "sgd"

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.01
