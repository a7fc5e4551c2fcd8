"""Gradient descent with a rate for each parameter that falls with its own steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class CountedSGD(Optimizer):
    """Gradient descent whose rate falls, for each parameter, with the number of its own steps.

    ::

        n <- n + 1
        w <- w - lr g / n^power

    Made for ids: one that is new learns fast, one that is well known hardly moves. Unlike AdaGrad, the size of a step
    stays in proportion to the gradient.

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

    lr: Annotated[float, Meta(gt=0, description="Learning rate of the first step")] = 0.03
    power: Annotated[float, Meta(gt=0, le=1, description="Power of the number of steps by which the rate falls")] = 0.5
