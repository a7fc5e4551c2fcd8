"""FTRL-Proximal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class FTRLProximal(Optimizer):
    """FTRL-Proximal: follows the regularized leader, with exact zeros for weights that the data do not support.

    ::

        s  = (sqrt(n + g²) - sqrt(n)) / lr
        z <- z + g - s w
        n <- n + g²
        w <- 0   if |z| <= l1   else   -(z - sign(z) l1) / ((beta + sqrt(n)) / lr + l2)

    A parameter that does not start at zero, as a network's, begins with the ``z`` from which the last line gives it.
    Unlike the `l2` of a learner, the one here is part of the closed form.

    Args:
        lr: the learning rate, the paper's alpha; > 0.
        beta: how slowly the rate falls at first, > 0.
        l1: weight of the L1 penalty, in units of summed gradients; >= 0.
        l2: weight of the L2 penalty, likewise; >= 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

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

    lr: float = 0.1
    beta: float = 1.0
    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "beta", self.beta, above=0)
        require_number(self, "l1", self.l1, at_least=0)
        require_number(self, "l2", self.l2, at_least=0)
