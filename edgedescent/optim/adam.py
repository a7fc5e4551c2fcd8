"""Adam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam: steps scaled by running averages of the gradient and of its square, corrected for their start at zero.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    ``t`` counts the steps of each coordinate: one that an event does not touch is neither moved nor decayed. The
    corrections ``1 - beta^t`` are kept as the slots ``c1`` and ``c2``.

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

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.01
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average gradient")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average squared gradient")] = 0.999
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
