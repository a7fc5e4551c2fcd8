"""Poisson loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class PoissonLoss(Loss):
    """The negative log-likelihood of counts, for targets >= 0; predictions are > 0.

    ::

        loss = exp(f) - t f        dloss/df = exp(f) - t

    with ``t`` the target over its running mean; the prediction is the mean times ``exp(f)``. Beyond ``f = 20`` the loss
    goes on as a straight line.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import PoissonLoss
        >>> LinearRegressor(loss=PoissonLoss()).learn_one({"hour": 17}, 42)

    References:
        Nelder and Wedderburn 1972, "Generalized Linear Models", Journal of the Royal Statistical Society A 135(3).
    """

    rule: ClassVar[str] = "poisson"
    scaling: ClassVar[Literal["standardized", "by_mean", "as_is"]] = "by_mean"
    least: ClassVar[float] = 0.0
