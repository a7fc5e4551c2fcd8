"""Coin betting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class COCOB(Optimizer):
    """COCOB: bets on the sign of the next gradient what was won before; there is no learning rate to choose.

    ::

        L <- max(L, |g|)
        G <- G + |g|
        reward <- max(reward - (w - w_1) g, 0)
        theta <- theta - g
        w <- w_1 + theta / (L max(G + L, alpha L)) (L + reward)

    ``w_1`` is where the parameter started; the slot ``bet`` is w - w_1. A schedule scales the bet.

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

    alpha: Annotated[float, Meta(gt=0, description="More, the smaller the first bets")] = 100.0
