"""Mixtures of the old and the new regime: what every drift does with the values of an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.sources.batch import Batch, Column

Numbers = NDArray[np.float64]
C = TypeVar("C", NDArray[np.float64], NDArray[np.object_])


def interpolate(old: Numbers, new: Numbers, share: Numbers) -> Numbers:
    """Values from `old` at a share of 0 to `new` at a share of 1, both to the last bit: old + share (new - old).

    Example:
        >>> interpolate(np.array([1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0]), np.array([0.0, 0.5, 1.0])).tolist()
        [1.0, 2.0, 3.0]
    """
    whole = share == 1
    if whole.all():
        return new
    # "old + 0 * change" would turn -0.0 into 0.0, and an infinite change into NaN; so would 1 round the new value.
    partly = (share > 0) & ~whole
    values = np.where(whole, new, old)
    if partly.any():
        values[partly] = old[partly] + share[partly] * (new[partly] - old[partly])
    return values


def choose(old: C, new: C, is_new: NDArray[np.bool_]) -> C:
    """Values of `new` where `is_new`, else of `old`."""
    return new if is_new.all() else np.where(is_new, new, old)


def missing(column: Column, is_missing: NDArray[np.bool_]) -> Column:
    """Copy of a column with NaN, or None among texts, where `is_missing`."""
    copy = column.copy()
    copy[is_missing] = None if column.dtype == object else np.nan
    return copy


def relabelled(
    batch: Batch, share: Numbers, function: Callable[[Numbers], Numbers], *, keep_optimum: bool = False
) -> Batch:
    """Batch whose label follows a function in the new regime: its `y`, its `target` and its `optimum`.

    Args:
        batch: Events.
        share: Share of the new regime in each event.
        function: New label of each event by its old one; NaN for NaN.
        keep_optimum: Leave the optimum, because what is added to the label cannot be predicted.
    """
    target = interpolate(batch.target, function(batch.target), share)
    y = target if batch.y is batch.target else interpolate(batch.y, function(batch.y), share)
    optimum = batch.optimum if keep_optimum else interpolate(batch.optimum, function(batch.optimum), share)
    return batch.replace(y=y, target=target, optimum=optimum)


def without_optimum(batch: Batch, is_unknown: NDArray[np.bool_]) -> Numbers:
    """Optimum of each event, NaN where `is_unknown`: where what is left in the event does not determine it."""
    return np.where(is_unknown, np.nan, batch.optimum)


def is_present(column: Column) -> NDArray[np.bool_]:
    """True where a column has a value."""
    if column.dtype == object:
        return np.fromiter((value is not None for value in column.tolist()), dtype=bool, count=len(column))
    return ~np.isnan(column.astype(np.float64, copy=False))
