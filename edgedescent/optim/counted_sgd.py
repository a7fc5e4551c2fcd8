"""Gradient descent with a rate for each parameter that falls with its own steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class CountedSGD(Optimizer):
    """Gradient descent whose rate falls, for each parameter, with the number of its own steps.

    ::

        n <- n + 1
        w <- w - lr g / n^power

    Made for ids: one that is new learns fast, one that is well known hardly moves. Unlike AdaGrad, the size of a step
    stays in proportion to the gradient.

    Args:
        lr: the learning rate of the first step, > 0. The default suits many features in each event; for ids, of which
            an event holds two, ten times as much is right.
        power: how fast the rate falls, in (0, 1].

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import MatrixFactorization
        >>> from edgedescent.optim import CountedSGD
        >>> ranker = MatrixFactorization(optimizer=CountedSGD(lr=0.3))
        >>> ranker.learn_one("ann", "tea", 5.0)

    References:
        Robbins and Monro 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3), with a
        sequence of steps for each coordinate.
    """

    rule: ClassVar[str] = "counted"
    slots: ClassVar[tuple[str, ...]] = ("n",)
    scales_itself: ClassVar[bool] = True

    lr: float = 0.03
    power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "power", self.power, above=0, at_most=1)
