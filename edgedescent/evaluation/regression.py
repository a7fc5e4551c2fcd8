"""Scores of predictions of numbers and of intervals, over all events, the last ones, or with forgetting."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.evaluation.pointwise import (
    absolute_errors,
    covered,
    last_value_errors,
    quantile_losses,
    widths,
)

_ABSOLUTE, _SQUARED, _NAIVE, _QUANTILE, _COVERED, _WIDTH, _TARGET = range(7)


class RegressionScores:
    """Prequential scores with a choice of forgetting, fed by batches.

    Each score is made of weighted means M over the scored events, with the error ``e = y - prediction``:

    ::

        mae            M[|e|]
        rmse           sqrt(M[e²])
        r2             1 - M[e²] / M[(y - M[y])²]
        mase           M[|e|] / M[|y - y of `season` events before|]
        quantile_loss  M[q (y - prediction) where y >= prediction, (1 - q) (prediction - y) elsewhere]
        coverage       M[1 where lower <= y <= upper, 0 elsewhere]
        mean_width     M[upper - lower]

    The weight of an event that is k scored events old is 1 by default, ``fading^k`` with a fading factor, and with a
    window 1 for the last `window` events and 0 before. The first `season` events are not scored, because MASE has no
    prediction for them; an event whose target is not finite is skipped as though it were not there. By default the
    scores are those of `Prequential`, which is many times as fast and knows neither seasons, intervals nor windows.

    Args:
        window: Number of events that are scored, the last ones; None for all.
        fading: Factor on the weight of an event with each event after it; 1 forgets nothing.
        season: Number of events in a season, for MASE; 1 compares with the last value.
        quantile: Quantile that is predicted, for the quantile loss; None for no such loss.

    References:
        Gama, Sebastião, Rodrigues (2013), "On evaluating stream learning algorithms", Machine Learning 90(3): windows
        and fading factors.
        Hyndman and Koehler (2006), "Another look at measures of forecast accuracy", Int. J. of Forecasting 22(4): MASE.
        Khosravi, Nahavandi, Creighton, Atiya (2011), "Comprehensive review of neural network-based prediction intervals
        and new advances", IEEE Transactions on Neural Networks 22(9): coverage and mean width.

    Example:
        >>> scores = RegressionScores(window=2)
        >>> scores.update_many([1.0, 3.0, 4.0, 6.0], [0.0, 9.0, 3.0, 7.0])
        >>> scores.summary()
        {'mae': 1.0, 'rmse': 1.0, 'r2': 0.0, 'mase': 0.6666666666666666}
    """

    def __init__(
        self, *, window: int | None = None, fading: float = 1.0, season: int = 1, quantile: float | None = None
    ) -> None:
        if window is not None and window < 1:
            raise ValueError(f"The window must be >= 1 events. Got {window}.")
        if not 0 < fading <= 1:
            raise ValueError(f"The fading factor must be > 0 and <= 1. Got {fading}.")
        if window is not None and fading < 1:
            raise ValueError("Choose a window or a fading factor, not both.")
        if season < 1:
            raise ValueError(f"The season must be >= 1 events. Got {season}.")
        if quantile is not None and not 0 < quantile < 1:
            raise ValueError(f"The quantile must be > 0 and < 1. Got {quantile}.")
        self._quantile = quantile
        self._season = season
        self._before = np.empty(0)
        self._has_intervals: bool | None = None
        self._means: _Window | _Faded = _Faded(fading) if window is None else _Window(window)

    def update_many(
        self,
        y: ArrayLike,
        prediction: ArrayLike,
        lower: ArrayLike | None = None,
        upper: ArrayLike | None = None,
    ) -> None:
        """Score the predictions of a batch.

        Args:
            y: Targets, shape (n_events,).
            prediction: Predictions, shape (n_events,).
            lower: Lower bounds of the intervals, shape (n_events,); None if there are none.
            upper: Upper bounds.

        Raises:
            ValueError: If the lengths differ, or only some batches have intervals.
        """
        if (lower is None) != (upper is None) or self._has_intervals not in (None, lower is not None):
            raise ValueError("Intervals need both bounds, in every batch or in none.")
        self._has_intervals = lower is not None
        y = np.asarray(y, dtype=np.float64)
        errors = absolute_errors(y, prediction)
        rows = np.zeros((len(errors), 7))
        rows[:, _ABSOLUTE] = errors
        rows[:, _SQUARED] = np.square(errors)
        rows[:, _TARGET] = y
        if self._quantile is not None:
            rows[:, _QUANTILE] = quantile_losses(y, prediction, self._quantile)
        if lower is not None and upper is not None:
            rows[:, _COVERED] = covered(y, lower, upper)
            rows[:, _WIDTH] = widths(lower, upper)
        rows = rows[~np.isnan(errors)]
        targets = np.concatenate([self._before, rows[:, _TARGET]])
        rows[:, _NAIVE] = last_value_errors(targets, self._season)[len(self._before) :]
        self._before = targets[-self._season :]
        rows = rows[~np.isnan(rows[:, _NAIVE])]
        if len(rows):
            self._means.add(rows)

    def summary(self) -> dict[str, float]:
        """Scores so far by name; empty before an event is scored.

        Without those that need something that was not given, and without `r2` and `mase` where they are undefined,
        because all targets are equal.
        """
        if not self._means.weight:
            return {}
        means, variance = self._means.means()
        scores = {"mae": float(means[_ABSOLUTE]), "rmse": math.sqrt(means[_SQUARED])}
        _add_ratio(scores, "r2", variance - float(means[_SQUARED]), variance)
        _add_ratio(scores, "mase", float(means[_ABSOLUTE]), float(means[_NAIVE]))
        if self._quantile is not None:
            scores["quantile_loss"] = float(means[_QUANTILE])
        if self._has_intervals:
            scores["coverage"], scores["mean_width"] = float(means[_COVERED]), float(means[_WIDTH])
        return scores


def _add_ratio(scores: dict[str, float], name: str, numerator: float, denominator: float) -> None:
    """Add a score that is a ratio, unless the divisor is 0 or so small that the ratio is not finite."""
    if denominator > 0 and math.isfinite(ratio := numerator / denominator):
        scores[name] = ratio


class _Window:
    """Means over the last rows."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._rows = np.empty((0, 7))

    @property
    def weight(self) -> float:
        return float(len(self._rows))

    def add(self, rows: NDArray[np.float64]) -> None:
        self._rows = np.concatenate([self._rows, rows])[-self._window :]

    def means(self) -> tuple[NDArray[np.float64], float]:
        return self._rows.mean(axis=0), float(self._rows[:, _TARGET].var())


class _Faded:
    """Weighted means over all rows, whose weights fade with each further row."""

    def __init__(self, fading: float) -> None:
        self._fading = fading
        self.weight = 0.0
        self._means = np.zeros(7)
        self._squares = 0.0
        """Weighted sum of the squared distances of the targets from their mean."""

    def add(self, rows: NDArray[np.float64]) -> None:
        """Join the means of the rows so far and of these, as Chan, Golub and LeVeque (1983) join two samples."""
        weights = self._fading ** np.arange(len(rows) - 1, -1, -1, dtype=np.float64)
        weight = float(weights.sum())
        means = weights @ rows / weight
        squares = float(weights @ np.square(rows[:, _TARGET] - means[_TARGET]))
        faded = self._fading ** len(rows)
        before, self.weight = self.weight * faded, self.weight * faded + weight
        distance = means - self._means
        self._squares = self._squares * faded + squares + distance[_TARGET] ** 2 * before * weight / self.weight
        self._means = self._means + distance * (weight / self.weight)

    def means(self) -> tuple[NDArray[np.float64], float]:
        return self._means, self._squares / self.weight
