"""AdaGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """AdaGrad: steps that shrink with the gradients a parameter has seen; made for ids that come rarely.

    ::

        s <- s + g²
        w <- w - lr g / (sqrt(initial + s) + eps)

    Args:
        lr: the learning rate, > 0.
        initial: what the sum of squares starts from: with 0 the first step is of size lr however small the gradient,
            with more it is in proportion to it; >= 0.
        eps: keeps the division from zero, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

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

    lr: float = 0.1
    initial: float = 0.0
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "initial", self.initial, at_least=0)
        require_number(self, "eps", self.eps, above=0)
