"""Scores of single predictions: absolute and squared errors, quantile losses, and how intervals fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LARGEST = 1e100
"""Predictions are clipped at this value, so that the square of an error does not overflow."""


def absolute_errors(y: ArrayLike, prediction: ArrayLike) -> Floats:
    """Absolute errors ``|y - prediction|``, with the same bounds as `Prequential`.

    Args:
        y: Targets, shape (n_events,).
        prediction: Predictions, shape (n_events,). They are clipped at ±1e100, and NaN counts as 1e100, so that a
            learner that diverged has a large error, not an unknown one.

    Returns:
        Errors, shape (n_events,); NaN where the target is not finite.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> absolute_errors([1.0, 2.0], [1.5, 4.0]).tolist()
        [0.5, 2.0]
    """
    y, prediction = _columns(y=y, prediction=prediction)
    return np.abs(_targets(y) - _bounded(prediction))


def squared_errors(y: ArrayLike, prediction: ArrayLike) -> Floats:
    """Squared errors ``(y - prediction)²``, with the same bounds as `absolute_errors`.

    Example:
        >>> squared_errors([1.0, 2.0], [1.5, 4.0]).tolist()
        [0.25, 4.0]
    """
    return np.square(absolute_errors(y, prediction))


def last_value_errors(y: ArrayLike, season: int = 1) -> Floats:
    """Absolute errors of predicting each target by the one `season` events before it.

    Args:
        y: Targets, shape (n_events,).
        season: Number of events in a season; 1 predicts the last value.

    Returns:
        Errors, shape (n_events,); NaN for the first `season` events, which have no prediction.

    Example:
        >>> last_value_errors([1.0, 3.0, 4.0]).tolist()
        [nan, 2.0, 1.0]
    """
    if season < 1:
        raise ValueError(f"The season must be >= 1 events. Got {season}.")
    (y,) = _columns(y=y)
    y = _targets(y)
    errors = np.full(len(y), np.nan)
    errors[season:] = np.abs(y[season:] - y[:-season])
    return errors


def quantile_losses(y: ArrayLike, prediction: ArrayLike, q: float) -> Floats:
    """Quantile losses (pinball losses) of predictions of the quantile `q`.

    ::

        loss = q (y - prediction)          where y >= prediction
        loss = (1 - q) (prediction - y)    elsewhere

    Args:
        y: Targets, shape (n_events,).
        prediction: Predictions, shape (n_events,).
        q: Share of the targets that shall lie below the prediction.

    Returns:
        Losses in units of the target, shape (n_events,).

    References:
        Koenker and Bassett (1978), "Regression Quantiles", Econometrica 46(1).

    Example:
        >>> quantile_losses([10.0, 10.0], [8.0, 12.0], 0.75).tolist()
        [1.5, 0.5]
    """
    if not 0 < q < 1:
        raise ValueError(f"The quantile must be > 0 and < 1. Got {q}.")
    y, prediction = _columns(y=y, prediction=prediction)
    difference = _targets(y) - _bounded(prediction)
    return np.where(difference >= 0, q * difference, (q - 1.0) * difference)


def covered(y: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Floats:
    """1 where the target lies in its interval, bounds included, else 0.

    It is NaN where the target is not finite. An interval whose lower bound is above its upper one, or with a bound that
    is NaN, holds nothing.

    Example:
        >>> covered([1.0, 5.0], [0.0, 0.0], [1.0, 4.0]).tolist()
        [1.0, 0.0]
    """
    y, lower, upper = _columns(y=y, lower=lower, upper=upper)
    y = _targets(y)
    return np.where(np.isnan(y), np.nan, ((lower <= y) & (y <= upper)).astype(np.float64))


def widths(lower: ArrayLike, upper: ArrayLike) -> Floats:
    """Widths of intervals, ``upper - lower``.

    Bounds are clipped as predictions are. An interval whose lower bound is above its upper one has width 0.

    Example:
        >>> widths([0.0, 2.0], [1.0, 1.0]).tolist()
        [1.0, 0.0]
    """
    lower, upper = _columns(lower=lower, upper=upper)
    return np.maximum(_bounded(upper) - _bounded(lower), 0.0)


def interval_scores(y: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float) -> Floats:
    """Interval scores (Winkler scores): the width, and a penalty for the distance of a target outside; lower is better.

    ::

        score = upper - lower + 2 / (1 - level) max(lower - y, y - upper, 0)

    Args:
        y: Targets, shape (n_events,).
        lower: Lower bounds, shape (n_events,); bounds are clipped as predictions are.
        upper: Upper bounds, shape (n_events,).
        level: Share of the targets that the intervals shall hold.

    Returns:
        Scores in units of the target, shape (n_events,); NaN where the target is not finite.

    Raises:
        ValueError: If the level is not > 0 and < 1, or the shapes differ.

    References:
        Gneiting and Raftery (2007), "Strictly Proper Scoring Rules, Prediction, and Estimation", JASA 102(477), eq. 43.

    Example:
        >>> interval_scores([1.0, 5.0], [0.0, 0.0], [2.0, 4.0], 0.5).tolist()
        [2.0, 8.0]
    """
    if not 0 < level < 1:
        raise ValueError(f"The level must be > 0 and < 1. Got {level}.")
    y, lower, upper = _columns(y=y, lower=lower, upper=upper)
    y, lower, upper = _targets(y), _bounded(lower), _bounded(upper)
    outside = np.maximum(np.maximum(lower - y, y - upper), 0.0)
    return widths(lower, upper) + 2.0 / (1.0 - level) * outside


def target_scale(y: ArrayLike) -> float:
    """Mean absolute error of the best constant prediction, the median: what errors of the target are compared with.

    Raises:
        ValueError: If no target is finite.

    Example:
        >>> target_scale([1.0, 2.0, 6.0])
        1.6666666666666667
    """
    (y,) = _columns(y=y)
    y = y[np.abs(y) < LARGEST]
    if not len(y):
        raise ValueError("The scale of targets needs at least one finite target.")
    return float(np.mean(np.abs(y - np.median(y))))


def _targets(y: Floats) -> Floats:
    """Targets, with NaN for those that are not scored."""
    return np.where(np.abs(y) < LARGEST, y, np.nan)


def _bounded(prediction: Floats) -> Floats:
    return np.clip(np.where(np.isnan(prediction), LARGEST, prediction), -LARGEST, LARGEST)


def _columns(**values: ArrayLike) -> list[Floats]:
    """Arrays of one dimension and one length."""
    arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"Scored values must be arrays of one dimension and one length. Got the shapes {shown}.")
    return list(arrays.values())
