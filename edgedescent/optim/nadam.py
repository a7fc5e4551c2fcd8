"""Adam with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class NAdam(Optimizer):
    """NAdam: Adam whose average gradient looks one step ahead.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        n  = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t)
        w <- w - lr n / (sqrt(v / (1 - beta2^t)) + eps)

    ``t`` counts the steps of each coordinate; the corrections ``1 - beta^t`` are kept as the slots ``c1`` and ``c2``.

    Args:
        lr: the learning rate, > 0.
        beta1: decay of the average gradient, in [0, 1).
        beta2: decay of the average squared gradient, in [0, 1).
        eps: keeps the division from zero, > 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import NAdam
        >>> model = LinearRegressor(optimizer=NAdam(lr=0.02))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Dozat 2016, "Incorporating Nesterov Momentum into Adam", ICLR workshop, algorithm 2, with a constant momentum.
    """

    rule: ClassVar[str] = "nadam"
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
