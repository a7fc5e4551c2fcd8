"""Adaptive Huber loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class AdaptiveHuberLoss(Loss):
    """Squared error whose derivative is clipped at a multiple of its own running mean absolute value.

    ::

        dloss/df = clip(f - t, -k s, k s)
        s <- max(s + max(1/n, rate_min) (|dloss/df| - s), 0.01)        s = 1 and n = 1 at the start

    One absurd target moves the model no further than `k` typical errors would, while a lasting change of level raises
    ``s`` and is followed.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import AdaptiveHuberLoss
        >>> LinearRegressor(loss=AdaptiveHuberLoss(k=2.0)).learn_one({"temp": 20.1}, 3.2)

    References:
        Huber 1964, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """

    rule: ClassVar[str] = "adaptive_huber"

    k: Annotated[
        float, Meta(gt=1, description="Multiple of the mean absolute error at which the derivative is clipped")
    ] = 3.0
    rate_min: Annotated[float, Meta(gt=0, le=1, description="Least rate at which the scale follows new errors")] = 0.002
