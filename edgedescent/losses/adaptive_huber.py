"""Adaptive Huber loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss
from edgedescent.validation import require_number


@dataclass(frozen=True)
class AdaptiveHuberLoss(Loss):
    """Squared error whose derivative is clipped at a multiple of its own running mean absolute value.

    ::

        dloss/df = clip(f - t, -k s, k s)
        s <- max(s + max(1/n, rate_min) (|dloss/df| - s), 0.01)        s = 1 and n = 1 at the start

    One absurd target moves the model no further than `k` typical errors would, while a lasting change of level raises
    ``s`` and is followed.

    Args:
        k: at how many mean absolute errors the derivative is clipped, > 1.
        rate_min: how fast the scale forgets once many events are seen, in (0, 1].

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import AdaptiveHuberLoss
        >>> LinearRegressor(loss=AdaptiveHuberLoss(k=2.0)).learn_one({"temp": 20.1}, 3.2)

    References:
        Huber 1964, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """

    rule: ClassVar[str] = "adaptive_huber"

    k: float = 3.0
    rate_min: float = 0.002

    def __post_init__(self) -> None:
        require_number(self, "k", self.k, above=1)
        require_number(self, "rate_min", self.rate_min, above=0, at_most=1)
