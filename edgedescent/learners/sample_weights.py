"""Weights of events: how often each is learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.dataframes import is_frame
from edgedescent.validation import as_numbers

WEIGHT_MAX = 10_000.0
"""Largest weight: an event of this weight is learned as often."""
_ROUNDING = 1e-9


def repetitions(sample_weight: Any, n_rows: int, offset: float) -> tuple[NDArray[np.intp], float]:
    """Return how often each event is learned, so that an event of weight w is learned as w events are.

    A whole weight is a number of repetitions. The fractions of successive weights add up, and whenever the sum passes a
    whole number, the event at hand is learned once more (systematic sampling)::

        nᵢ = ⌊offset + w₁ + … + wᵢ⌋ - ⌊offset + w₁ + … + wᵢ₋₁⌋

    Args:
        sample_weight: Weight of each event, shape (n_rows,), from 0 to `WEIGHT_MAX`; or one number for all.
        n_rows: Number of events.
        offset: Fraction that is left of earlier events, >= 0 and < 1.

    Returns:
        The numbers of repetitions, shape (n_rows,), and the fraction that is left.

    Raises:
        ValueError: If there is not one weight for each event, or one is out of its range.

    Example:
        >>> repetitions([2.0, 0.0, 0.5, 0.5], 4, 0.0)
        (array([2, 0, 0, 1]), 0.0)

    References:
        Madow and Madow 1944, "On the Theory of Systematic Sampling", Annals of Mathematical Statistics 15(1).
    """
    given = sample_weight if is_frame(sample_weight) else np.asarray(sample_weight)
    weights = as_numbers("sample_weight", np.full(n_rows, given) if getattr(given, "ndim", 1) == 0 else given, 1)
    if len(weights) != n_rows:
        raise ValueError(f"The `sample_weight` must be {n_rows} weights, one for each event. Got {len(weights)}.")
    wrong = ~((weights >= 0.0) & (weights <= WEIGHT_MAX))
    if wrong.any():
        raise ValueError(
            f"The `sample_weight` must be >= 0 and <= {WEIGHT_MAX:g}, best with a mean of 1, because an event of "
            f"weight w is learned w times. Got {weights[wrong][0]!r}."
        )
    sums = offset + np.cumsum(weights)
    # Ten tenths are a whole, however they are rounded.
    whole = np.floor(sums + _ROUNDING)
    counts = np.diff(whole, prepend=np.floor(offset + _ROUNDING)).astype(np.intp)
    return counts, float(sums[-1] - whole[-1]) if n_rows else offset
