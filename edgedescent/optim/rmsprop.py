"""RMSProp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """RMSProp: steps scaled by a running average of the squared gradient.

    ::

        v <- rho v + (1 - rho) g²
        w <- w - lr g / (sqrt(v) + eps)

    Args:
        lr: the learning rate, > 0.
        rho: decay of the average squared gradient, in [0, 1).
        eps: keeps the division from zero, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

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

    lr: float = 0.005
    rho: float = 0.9
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "rho", self.rho, at_least=0, below=1)
        require_number(self, "eps", self.eps, above=0)
