"""Losses of configurations relative to the defaults, so that scenarios of different scales can be averaged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TINY = 1e-12
"""Least error that a logarithm is taken of."""


def relative_losses(scores: NDArray[np.float64], reference: NDArray[np.float64], is_error: bool) -> NDArray[np.float64]:
    """Losses of a configuration relative to the reference, run by run: 0 for the reference itself, less is better.

    ::

        log(score / reference)      of errors, so that their mean is the logarithm of a geometric mean of ratios
        reference - score           of scores of which more is better

    Where the reference has no score, it counts as 1, or 0. NaN where there is no score.

    Args:
        scores: Scores of the configuration, shape (scenarios, seeds).
        reference: Scores of the configuration that others are compared with, of the same shape.
        is_error: True if less is better.

    Example:
        >>> relative_losses(np.array([[1.0, 2.0]]), np.array([[2.0, 2.0]]), is_error=True).round(3)
        array([[-0.693,  0.   ]])
    """
    if is_error:
        known = np.where(np.isnan(reference), 1.0, reference)
        losses: NDArray[np.float64] = np.log(np.maximum(scores, TINY)) - np.log(np.maximum(known, TINY))
        return losses
    difference: NDArray[np.float64] = np.where(np.isnan(reference), 0.0, reference) - scores
    return difference
