"""AMSGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class AMSGrad(Optimizer):
    """AMSGrad: Adam whose scale never falls, so that rare large gradients are not forgotten.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g²
        highest <- max(highest, v)
        w <- w - lr m / (sqrt(highest) + eps)

    As in the paper, neither average is corrected for its start at zero.

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

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.005
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average gradient")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average squared gradient")] = 0.999
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
