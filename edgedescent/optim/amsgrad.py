"""AMSGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class AMSGrad(Optimizer):
    """AMSGrad: Adam whose scale never falls, so that rare large gradients are not forgotten.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        highest <- max(highest, v)
        w <- w - lr m / (sqrt(highest) + eps)

    As in the paper, neither average is corrected for its start at zero.

    Args:
        lr: the learning rate, > 0.
        beta1: decay of the average gradient, in [0, 1).
        beta2: decay of the average squared gradient, in [0, 1).
        eps: keeps the division from zero, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import AMSGrad
        >>> model = LinearRegressor(optimizer=AMSGrad(lr=0.02))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Reddi, Kale and Kumar 2018, "On the Convergence of Adam and Beyond", ICLR, algorithm 2.
    """

    rule: ClassVar[str] = "amsgrad"
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "highest")

    lr: float = 0.005
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "beta1", self.beta1, at_least=0, below=1)
        require_number(self, "beta2", self.beta2, at_least=0, below=1)
        require_number(self, "eps", self.eps, above=0)
