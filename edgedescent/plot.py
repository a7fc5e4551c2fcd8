"""Plots of learning, by matplotlib: errors over time beside baselines, coefficients over time, calibration.

Each function draws into the axes that are given, or into new ones, and returns them. matplotlib is installed by
``pip install 'edgedescent[plot]'``, and imported when something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.validation import as_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["calibration", "coefficients_over_time", "coverage_over_time", "error_over_time"]

_POINTS_MAX = 2000
"""Most points of a line, so that a picture of a million events can be drawn."""
_GRAY: dict[str, Any] = {"color": "0.6", "linewidth": 1.0}


def error_over_time(
    y: ArrayLike,
    predictions: ArrayLike | Mapping[str, ArrayLike],
    *,
    window: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean absolute error of the latest events, beside that of the last value and of the mean so far.

    Args:
        y: Labels in the order of time, shape (n_events,).
        predictions: Predictions that were made before each label was known, such as `learn_many` returns, shape
            (n_events,); or several of them by name.
        window: Number of events of each mean; a fiftieth of all, and at least 20, if None.
        ax: Axes to draw into; new ones if None.

    Returns:
        The axes, with a line for each prediction and baseline.

    Raises:
        ValueError: If there are not as many predictions as labels, or the window is not positive.
        ImportError: If matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from edgedescent import LinearRegressor, plot
        >>> X = np.random.default_rng(1).normal(size=(500, 2))
        >>> y = X @ [2.0, -1.0]
        >>> axes = plot.error_over_time(y, LinearRegressor().learn_many(X, y))
        >>> [line.get_label() for line in axes.lines]
        ['model', 'last value', 'mean so far']
    """
    labels = as_numbers("y", y, 1)
    series = predictions if isinstance(predictions, Mapping) else {"model": predictions}
    ax = _axes(ax)
    size = _window(len(labels), window)
    for name, values in series.items():
        _draw(ax, np.abs(labels - _like(name, values, labels)), size, label=name)
    before = np.concatenate([[0.0], labels[:-1]])
    means = np.concatenate([[0.0], np.cumsum(labels)[:-1] / np.arange(1, len(labels))]) if len(labels) else labels
    _draw(ax, np.abs(labels - before), size, label="last value", linestyle="--", **_GRAY)
    _draw(ax, np.abs(labels - means), size, label="mean so far", linestyle=":", **_GRAY)
    ax.set(xlabel="event", ylabel=f"mean absolute error, last {size} events", ylim=(0.0, None))
    ax.legend()
    return ax


def coefficients_over_time(
    history: Sequence[Mapping[str, float]],
    *,
    events: Sequence[int] | None = None,
    largest: int = 8,
    ax: Axes | None = None,
) -> Axes:
    """Draw the weights of a linear model as they were at several times.

    Args:
        history: What `LinearRegressor.coefficients` or `LogisticRegressor.coefficients` was, at each time.
        events: Number of events learned at each time; 1, 2, … if None.
        largest: Most lines: those whose weights were largest in size at any time.
        ax: Axes to draw into; new ones if None.

    Returns:
        The axes, with a line for each weight; a feature that was not known yet has none.

    Raises:
        ValueError: If there are not as many numbers of events as times.
        ImportError: If matplotlib is not installed.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from edgedescent import LinearRegressor, plot
        >>> model, history = LinearRegressor(), []
        >>> for n in range(100):
        ...     model.learn_one({"a": n % 5, "b": n % 3}, 3.0 * (n % 5))
        ...     history.append(model.coefficients)
        >>> [line.get_label() for line in plot.coefficients_over_time(history).lines[1:]]
        ['a', 'b']
    """
    at = range(1, len(history) + 1) if events is None else events
    if len(at) != len(history):
        raise ValueError(f"`events` must be {len(history)} numbers, one for each time. Got {len(at)}.")
    names = list(dict.fromkeys(name for weights in history for name in weights))
    tables = {name: np.array([weights.get(name, np.nan) for weights in history]) for name in names}
    names.sort(key=lambda name: -float(np.nanmax(np.abs(tables[name]))))
    ax = _axes(ax)
    ax.axhline(0.0, **_GRAY)
    for name in names[:largest]:
        ax.plot(at, tables[name], label=name)
    ax.set(xlabel="event", ylabel="weight per standard deviation")
    if names:
        ax.legend()
    return ax


def calibration(y: ArrayLike, probabilities: ArrayLike, *, bins: int = 10, ax: Axes | None = None) -> Axes:
    """Draw how often what was predicted with some probability came true (reliability diagram).

    Args:
        y: Labels from 0 to 1, shape (n_events,).
        probabilities: Probabilities of 1 that were predicted, shape (n_events,).
        bins: Number of groups of equally many events, by their probability.
        ax: Axes to draw into; new ones if None.

    Returns:
        The axes, with the line of perfect calibration and a point for each group.

    Raises:
        ValueError: If there are not as many probabilities as labels, one is outside 0 to 1, or there is no group.
        ImportError: If matplotlib is not installed.

    Example:
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> axes = calibration([0, 1, 0, 1], [0.1, 0.9, 0.2, 0.8], bins=2)
        >>> axes.lines[1].get_ydata().tolist()
        [0.0, 1.0]

    References:
        Niculescu-Mizil and Caruana 2005, "Predicting Good Probabilities with Supervised Learning", ICML.
    """
    labels = as_numbers("y", y, 1)
    given = _like("probabilities", probabilities, labels)
    if bins < 1:
        raise ValueError(f"`bins` must be >= 1. Got {bins}.")
    if ((given < 0.0) | (given > 1.0)).any():
        raise ValueError("`probabilities` must be from 0 to 1.")
    order = np.argsort(given, kind="stable")
    groups = [part for part in np.array_split(order, bins) if len(part)]
    ax = _axes(ax)
    ax.plot([0.0, 1.0], [0.0, 1.0], label="perfect", **_GRAY)
    ax.plot([given[g].mean() for g in groups], [labels[g].mean() for g in groups], marker="o", label="model")
    ax.set(xlabel="predicted probability", ylabel="share that came true", xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    ax.legend()
    return ax


def coverage_over_time(
    y: ArrayLike, low: ArrayLike, high: ArrayLike, level: float, *, window: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw which share of the latest labels lay within their prediction intervals, beside the level that was asked for.

    Args:
        y: Labels in the order of time, shape (n_events,).
        low: Lower bounds, such as of `predict_interval_one`, shape (n_events,).
        high: Upper bounds, shape (n_events,).
        level: Level of the intervals.
        window: Number of events of each share; a fiftieth of all, and at least 20, if None.
        ax: Axes to draw into; new ones if None.

    Raises:
        ValueError: If there are not as many bounds as labels, or the window is not positive.
        ImportError: If matplotlib is not installed.
    """
    labels = as_numbers("y", y, 1)
    within = (_like("low", low, labels) <= labels) & (labels <= _like("high", high, labels))
    size = _window(len(labels), window)
    ax = _axes(ax)
    ax.axhline(level, label=f"asked for: {level:g}", **_GRAY)
    _draw(ax, within.astype(np.float64), size, label="model")
    ax.set(xlabel="event", ylabel=f"share within the interval, last {size} events", ylim=(0.0, 1.0))
    ax.legend()
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("edgedescent.plot needs matplotlib: pip install 'edgedescent[plot]'") from error
    axes: Axes = plt.subplots(layout="constrained")[1]
    return axes


def _window(n: int, window: int | None) -> int:
    size = max(n // 50, 20) if window is None else window
    if size < 1:
        raise ValueError(f"`window` must be >= 1. Got {window}.")
    return size


def _like(name: str, values: ArrayLike, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    given = as_numbers(name, values, 1)
    if len(given) != len(labels):
        raise ValueError(f"`{name}` must be {len(labels)} numbers, one for each label. Got {len(given)}.")
    return given


def _draw(ax: Axes, values: NDArray[np.float64], size: int, **style: Any) -> None:
    """Draw the means of the last `size` values; those that are not finite do not count."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    last = np.unique(np.linspace(1, len(values), min(len(values), _POINTS_MAX)).astype(int))[: len(values)]
    first = np.maximum(last - size, 0)
    seen = counts[last] - counts[first]
    means = np.divide(sums[last] - sums[first], seen, out=np.full(len(last), np.nan), where=seen > 0)
    ax.plot(last, means, **style)
