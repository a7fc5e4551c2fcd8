"""Absolute loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class AbsoluteLoss(Loss):
    """Absolute error, for the conditional median: the gradient of an outlier is no larger than any other.

    ::

        loss = |f - t|        dloss/df = sign(f - t)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import AbsoluteLoss
        >>> LinearRegressor(loss=AbsoluteLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Bloomfield and Steiger 1983, "Least Absolute Deviations", Birkhäuser.
    """

    rule: ClassVar[str] = "absolute"
