"""Gradient descent with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class Nesterov(Optimizer):
    """Gradient descent with momentum that looks one step ahead.

    ::

        v <- mu v + g
        w <- w - lr (g + mu v)

    The parameters kept are those of the look-ahead, at which the gradient is taken, as in Bengio's form of the rule.

    Args:
        lr: the learning rate, > 0.
        mu: how much of the sum is kept from step to step, in [0, 1).

    Raises:
        ValueError: if a hyper-parameter is out of its range.

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

    lr: float = 0.001
    mu: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "mu", self.mu, at_least=0, below=1)
