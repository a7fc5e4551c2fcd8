"""Adam with Nesterov's momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class NAdam(Optimizer):
    """NAdam: Adam whose average gradient looks one step ahead.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        n  = beta1 m / (1 - beta1^(t + 1)) + (1 - beta1) g / (1 - beta1^t)
        w <- w - lr n / (sqrt(v / (1 - beta2^t)) + eps)

    ``t`` counts the steps of each coordinate; the corrections ``1 - beta^t`` are kept as the slots ``c1`` and ``c2``.

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

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.01
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average gradient")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average squared gradient")] = 0.999
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
