"""Adaptive Huber loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class AdaptiveHuberLoss(Loss):
    """Huber loss with an adaptive threshold: a multiple of the running mean of the clipped absolute errors.

    ::

        dloss/df = clip(f - t, -k s, k s)
        s <- max(s + max(1/n, rate_min) (|dloss/df| - s), 0.01)        s = 1 and n = 1 at the start

    An outlier among the targets changes the model no more than an error of `k` times the typical size. A lasting change
    of level increases ``s``, so that the model adapts to it.

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
