"""Logistic loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class LogisticLoss(Loss):
    """Log loss of a label between 0 and 1; predictions are probabilities.

    ::

        p = 1 / (1 + exp(-f))
        loss = -y log p - (1 - y) log(1 - p)        dloss/df = p - y

    Example:
        >>> from edgedescent import LogisticRegressor
        >>> from edgedescent.losses import LogisticLoss
        >>> LogisticRegressor(loss=LogisticLoss()).learn_one({"age": 41.0}, True)

    References:
        Cox 1958, "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical Society B 20(2).
    """

    rule: ClassVar[str] = "logistic"
    scaling: ClassVar[Literal["standardized", "by_mean", "as_is"]] = "as_is"
    binary: ClassVar[bool] = True
    least: ClassVar[float] = 0.0
