"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with a heavy ball: steps along a decaying sum of the gradients so far.

    ::

        v <- mu v + g
        w <- w - lr v

    A steady gradient is followed at the rate lr / (1 - mu).

    Args:
        lr: the learning rate, > 0.
        mu: how much of the sum is kept from step to step, in [0, 1).

    Raises:
        ValueError: if a hyper-parameter is out of its range.

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

    lr: float = 0.001
    mu: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "mu", self.mu, at_least=0, below=1)
