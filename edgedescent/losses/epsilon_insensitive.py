"""Epsilon-insensitive loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class EpsilonInsensitiveLoss(Loss):
    """The absolute error beyond a tolerance: errors within it change nothing, as in support vector regression.

    ::

        loss = max(|f - t| - eps, 0)        dloss/df = sign(f - t) where |f - t| > eps, else 0

    Raises:
        ValueError: if `eps` is negative.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import EpsilonInsensitiveLoss
        >>> LinearRegressor(loss=EpsilonInsensitiveLoss(eps=0.05)).learn_one({"temp": 20.1}, 3.2)

    References:
        Vapnik 1995, "The Nature of Statistical Learning Theory", Springer, section 6.1.
    """

    rule: ClassVar[str] = "epsilon_insensitive"

    eps: Annotated[float, Meta(ge=0, description="Tolerance, in standard deviations of the target")] = 0.1
