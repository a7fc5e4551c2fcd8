"""Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam: steps scaled by running averages of the gradient and of its square, corrected for their start at zero.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    ``t`` counts the steps of each coordinate: one that an event does not touch is neither moved nor decayed. The
    corrections ``1 - beta^t`` are kept as the slots ``c1`` and ``c2``.

    Args:
        lr: the learning rate, > 0.
        beta1: decay of the average gradient, in [0, 1).
        beta2: decay of the average squared gradient, in [0, 1).
        eps: keeps the division from zero, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import Adam
        >>> model = LinearRegressor(optimizer=Adam(lr=0.02))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", ICLR, algorithm 1.
    """

    rule: ClassVar[str] = "adam"
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "c1", "c2")

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "beta1", self.beta1, at_least=0, below=1)
        require_number(self, "beta2", self.beta2, at_least=0, below=1)
        require_number(self, "eps", self.eps, above=0)
