"""AdaDelta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class AdaDelta(Optimizer):
    """AdaDelta: steps whose size follows from the sizes of the steps before, without a learning rate.

    ::

        v <- rho v + (1 - rho) g²
        s  = sqrt(d + eps) / sqrt(v + eps) g
        d <- rho d + (1 - rho) s²
        w <- w - lr s

    `eps` decides how large the first steps are: about its root, relative to the gradients.

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

    lr: Annotated[float, Meta(gt=0, description="Factor on every step; the paper has none, which is 1")] = 1.0
    rho: Annotated[float, Meta(ge=0, lt=1, description="Decay of both averages")] = 0.95
    eps: Annotated[float, Meta(gt=0, description="First value of both averages")] = 1e-5
