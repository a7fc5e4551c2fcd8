"""Log-cosh loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgedescent.losses.base import Loss


@dataclass(frozen=True, kw_only=True)
class LogCoshLoss(Loss):
    """The logarithm of the hyperbolic cosine: like the squared error near zero, like the absolute far off, and smooth.

    ::

        loss = log cosh(f - t)        dloss/df = tanh(f - t)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import LogCoshLoss
        >>> LinearRegressor(loss=LogCoshLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Green 1990, "Bayesian reconstructions from emission tomography data using a modified EM algorithm", IEEE
        Transactions on Medical Imaging 9(1).
    """

    rule: ClassVar[str] = "log_cosh"
