"""Absolute loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class AbsoluteLoss(Loss):
    """The absolute error, for the conditional median: no outlier counts more than any other error.

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
