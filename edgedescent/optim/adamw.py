"""Adam with decoupled weight decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.optim.base import Optimizer
from edgedescent.validation import require_number


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with weight decay apart from the gradient, so that its strength does not depend on the gradient's scale.

    ::

        w <- w - lr weight_decay w
        w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)         m, v, t as in Adam

    Weights decay in the events that touch them. Intercepts and biases do not decay.

    Args:
        lr: the learning rate, > 0.
        beta1: decay of the average gradient, in [0, 1).
        beta2: decay of the average squared gradient, in [0, 1).
        eps: keeps the division from zero, > 0.
        weight_decay: how much of a weight is lost per step, in units of the learning rate; >= 0.

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import AdamW
        >>> model = LinearRegressor(optimizer=AdamW(weight_decay=0.001))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", ICLR, algorithm 2.
    """

    rule: ClassVar[str] = "adamw"
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "c1", "c2")

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "lr", self.lr, above=0)
        require_number(self, "beta1", self.beta1, at_least=0, below=1)
        require_number(self, "beta2", self.beta2, at_least=0, below=1)
        require_number(self, "eps", self.eps, above=0)
        require_number(self, "weight_decay", self.weight_decay, at_least=0)
