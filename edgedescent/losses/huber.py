"""Huber loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class HuberLoss(Loss):
    """Squared for small errors, absolute for large ones.

    ::

        loss = (f - t)² / 2                   where |f - t| <= delta
        loss = delta (|f - t| - delta / 2)    elsewhere        dloss/df = clip(f - t, ±delta)

    Raises:
        ValueError: if `delta` is not > 0.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import HuberLoss
        >>> LinearRegressor(loss=HuberLoss(delta=0.5)).learn_one({"temp": 20.1}, 3.2)

    References:
        Huber 1964, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """

    rule: ClassVar[str] = "huber"

    delta: Annotated[
        float, Meta(gt=0, description="Where the one becomes the other, in standard deviations of the target")
    ] = 1.0
