"""Quantile loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class QuantileLoss(Loss):
    """The pinball loss, for a conditional quantile.

    ::

        loss = q (t - f)          where t >= f        dloss/df = -q
        loss = (1 - q) (f - t)    elsewhere           dloss/df = 1 - q

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import QuantileLoss
        >>> LinearRegressor(loss=QuantileLoss(q=0.9)).learn_one({"temp": 20.1}, 3.2)

    References:
        Koenker and Bassett 1978, "Regression Quantiles", Econometrica 46(1).
    """

    rule: ClassVar[str] = "quantile"

    q: Annotated[float, Meta(gt=0, lt=1, description="Share of the targets that shall lie below the prediction")] = 0.5
