"""Squared loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class SquaredLoss(Loss):
    """Half the squared error, for the conditional mean.

    ::

        loss = (f - t)² / 2        dloss/df = f - t

    with ``t`` the standardized target and ``f`` the standardized prediction.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import SquaredLoss
        >>> LinearRegressor(loss=SquaredLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Widrow and Hoff 1960, "Adaptive Switching Circuits", IRE WESCON Convention Record 4.
    """

    rule: ClassVar[str] = "squared"
