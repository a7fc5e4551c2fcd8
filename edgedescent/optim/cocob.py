"""Coin betting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class COCOB(Optimizer):
    """COCOB: gradient descent by coin betting, without a learning rate.

    ::

        L <- max(L, |g|)
        G <- G + |g|
        reward <- max(reward - (w - w_1) g, 0)
        theta <- theta - g
        w <- w_1 + theta / (L max(G + L, alpha L)) (L + reward)

    The rule bets a fraction of its wealth ``L + reward`` on the sign of the next gradient. ``w_1`` is the start value
    of the parameter, and the slot ``bet`` is w - w_1. A schedule scales the bet.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import COCOB
        >>> model = LinearRegressor(optimizer=COCOB())
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Orabona and Tommasi 2017, "Training Deep Networks without Learning Rates Through Coin Betting", NIPS, algorithm
        2 (COCOB-Backprop).
    """

    rule: ClassVar[str] = "cocob"
    slots: ClassVar[tuple[str, ...]] = ("largest", "total", "reward", "theta", "bet")
    scales_itself: ClassVar[bool] = True
    derives_weights: ClassVar[bool] = True

    alpha: Annotated[float, Meta(gt=0, description="More, the smaller the first bets")] = 100.0
