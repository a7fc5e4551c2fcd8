"""Normalized adaptive gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class NormalizedAdaptive(Optimizer):
    """Normalized adaptive gradient descent (NAG): steps that adapt to the scale of each feature.

    ::

        s <- max(s, |x|, 1)         per parameter that the event touches
        N <- N + Σ x² / s²          over all of them, in t events so far
        G <- G + g²
        r  = min(lr sqrt(t / N), (dloss/df)² / Σ (g² / (s sqrt(G))))
        w <- w - r g / (s sqrt(G))

    ``x`` is the derivative of the score with respect to the parameter: for a linear model, the feature. The sums for
    ``s`` and ``N`` include only parameters with a gradient in the event, and only events with ``|dloss/df| >= 0.001``.
    The slots are ``G`` (``total``) and ``s`` (``scale``).

    There are two differences from the paper. Features are standardized, so scales start at 1 instead of the first
    value, and a growing scale does not shrink the weights, which a single outlier would do permanently. The upper bound
    on the rate ``r`` prevents overshoot of the squared loss in a step over very many parameters.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import NormalizedAdaptive
        >>> model = LinearRegressor(optimizer=NormalizedAdaptive(lr=1.0))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Ross, Mineiro and Langford 2013, "Normalized Online Learning", UAI, algorithm 2 (NAG).
    """

    rule: ClassVar[str] = "normalized_adaptive"
    slots: ClassVar[tuple[str, ...]] = ("total", "scale")
    scales_itself: ClassVar[bool] = True

    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.5
