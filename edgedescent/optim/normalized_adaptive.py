"""Normalized adaptive gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class NormalizedAdaptive(Optimizer):
    """Normalized adaptive gradient descent: steps in proportion to the scale of what they act on.

    ::

        s <- max(s, |x|, 1)         per parameter that the event touches
        N <- N + Σ x² / s²          over all of them, in t events so far
        G <- G + g²
        r  = min(lr sqrt(t / N), (dloss/df)² / Σ (g² / (s sqrt(G))))
        w <- w - r g / (s sqrt(G))

    ``x`` is the derivative of the score by the parameter: for a linear model, the feature. It is measured after the
    prediction, in events whose loss has a slope of 0.001 at least. Two things differ from the paper. Features come
    standardized here, so scales start at 1 instead of the first value, and one that grows does not shrink what was
    learned, as a single outlier would do for good. And the bound on the rate ``r`` keeps a step over very many
    parameters from carrying the score past the target of a squared loss. The slots are ``G`` and ``s``.

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
