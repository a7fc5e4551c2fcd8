"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class SGD(Optimizer):
    """Plain stochastic gradient descent.

    ::

        w <- w - lr g

    Args:
        lr: the learning rate, > 0.

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

    lr: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
