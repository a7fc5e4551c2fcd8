"""Adam with decoupled weight decay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay, whose strength does not depend on the scale of the gradient.

    ::

        w <- w - lr weight_decay w
        w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)         m, v, t as in Adam

    Weights decay only in events that have a gradient for them. Intercepts and biases do not decay.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import AdamW
        >>> model = LinearRegressor(optimizer=AdamW(weight_decay=0.001))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", ICLR, algorithm 2.
    """

    rule: ClassVar[str] = "adamw"
    spares_intercepts: ClassVar[bool] = True
    slots: ClassVar[tuple[str, ...]] = ("m", "v", "c1", "c2")

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.01
    beta1: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average gradient")] = 0.9
    beta2: Annotated[float, Meta(ge=0, lt=1, description="Decay of the average squared gradient")] = 0.999
    eps: Annotated[float, Meta(gt=0, description="Added to the divisor, so that it is never zero")] = 1e-8
    weight_decay: Annotated[
        float, Meta(ge=0, description="Share of a weight that is lost per step, in units of the learning rate")
    ] = 0.01
