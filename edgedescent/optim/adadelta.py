"""AdaDelta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class AdaDelta(Optimizer):
    """AdaDelta: steps whose size follows from the sizes of the steps before, without a learning rate.

    ::

        v <- rho v + (1 - rho) g²
        s  = sqrt(d + eps) / sqrt(v + eps) g
        d <- rho d + (1 - rho) s²
        w <- w - lr s

    `eps` decides how large the first steps are: about its root, relative to the gradients.

    Args:
        lr: a factor on every step; the paper has none, which is 1; > 0.
        rho: decay of both averages, in [0, 1).
        eps: what both averages start with, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import AdaDelta
        >>> model = LinearRegressor(optimizer=AdaDelta(rho=0.9))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Zeiler 2012, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, algorithm 1.
    """

    rule: ClassVar[str] = "adadelta"
    slots: ClassVar[tuple[str, ...]] = ("v", "d")

    lr: float = 1.0
    rho: float = 0.95
    eps: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "rho", self.rho, at_least=0, below=1)
        require_number(self, "eps", self.eps, above=0)
