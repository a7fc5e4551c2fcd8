"""Regret against the best possible prediction."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from edgedescent.evaluation.pointwise import absolute_errors, squared_errors

_NAMES = ("excess_absolute", "excess_squared", "distance_squared")


class OptimumRegret:
    """Mean excess of a learner's error over that of the best possible prediction, where that is known.

    With the target y, the prediction p and the optimum o, the best prediction without knowing the noise, as means over
    the events:

    ::

        excess_absolute    |y - p| - |y - o|
        excess_squared     (y - p)² - (y - o)²
        distance_squared   (p - o)²

    An excess may be below 0, because the noise may favour the prediction by chance. Where the optimum is the mean of
    the target given the features, `excess_squared` and `distance_squared` have the same expectation, and the latter
    does not depend on the noise. The regret over the stream is the mean times `n_scored`. An event whose target or
    optimum is not finite is skipped. The sums are added in the order of the events, so that a stream that is cut into
    other batches gives the same bits.

    References:
        Cesa-Bianchi and Lugosi (2006), "Prediction, Learning, and Games", Cambridge University Press, section 2.1:
        regret.

    Example:
        >>> regret = OptimumRegret()
        >>> regret.update_many(y=[1.0, 5.0], prediction=[3.0, 5.0], optimum=[2.0, 4.0])
        >>> regret.summary()
        {'excess_absolute': 0.0, 'excess_squared': 1.0, 'distance_squared': 1.0}
    """

    def __init__(self) -> None:
        self.n_scored = 0
        """Number of events that are scored."""
        self._sums = np.zeros(len(_NAMES))

    def update_many(self, y: ArrayLike, prediction: ArrayLike, optimum: ArrayLike) -> None:
        """Score the predictions of a batch.

        Args:
            y: Targets, shape (n_events,).
            prediction: Predictions; clipped as by `absolute_errors`.
            optimum: Best predictions; NaN where they are unknown.

        Raises:
            ValueError: If the lengths differ.
        """
        optimum = np.asarray(optimum, dtype=np.float64)
        if np.isnan(optimum).all():
            # Recorded data has none, and is to cost nothing here.
            return
        excess = np.stack(
            [
                absolute_errors(y, prediction) - absolute_errors(y, optimum),
                squared_errors(y, prediction) - squared_errors(y, optimum),
                squared_errors(optimum, prediction),
            ]
        )
        excess = excess[:, ~np.isnan(excess).any(axis=0)]
        self.n_scored += excess.shape[1]
        # A cumulative sum adds in order, where a sum would add in pairs.
        self._sums = np.cumsum(np.column_stack([self._sums, excess]), axis=1)[:, -1]

    def summary(self) -> dict[str, float]:
        """Means so far by name; empty before an event is scored."""
        if not self.n_scored:
            return {}
        return dict(zip(_NAMES, (self._sums / self.n_scored).tolist(), strict=True))
