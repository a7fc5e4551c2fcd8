"""Quantile loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss
from edgedescent.validation import require_number


@dataclass(frozen=True)
class QuantileLoss(Loss):
    """The pinball loss, for a conditional quantile.

    ::

        loss = q (t - f)          where t >= f        dloss/df = -q
        loss = (1 - q) (f - t)    elsewhere           dloss/df = 1 - q

    Args:
        q: which share of the targets is to lie below the prediction, in (0, 1).

    Raises:
        ValueError: if `q` is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import QuantileLoss
        >>> LinearRegressor(loss=QuantileLoss(q=0.9)).learn_one({"temp": 20.1}, 3.2)

    References:
        Koenker and Bassett 1978, "Regression Quantiles", Econometrica 46(1).
    """

    rule: ClassVar[str] = "quantile"

    q: float = 0.5

    def __post_init__(self) -> None:
        require_number(self, "q", self.q, above=0, below=1)
