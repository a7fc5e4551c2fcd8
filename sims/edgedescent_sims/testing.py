"""Checks of what every source must hold.

Example:
    >>> from edgedescent_sims.sources.friedman_stream import FriedmanStream
    >>> from edgedescent_sims.testing import check_source
    >>> check_source(FriedmanStream(n_events=100))
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from edgedescent.testing.support import require
from edgedescent_sims.sources.base import Source, Transform
from edgedescent_sims.sources.batch import RATING_COLUMNS, Batch, Event


def check_source(source: Source) -> None:
    """Check that a source is repeatable, numbers its events, and yields batches and events of its kind.

    Args:
        source: A source with at least one event, and not too many to hold them in memory.

    Raises:
        AssertionError: If it breaks one of its promises; the message says which.
    """
    name = source.name
    require(name, name != "", "`name` is empty")
    require(name, source.kind in ("features", "ratings"), f"`kind` is {source.kind!r}")
    batches = list(source.batches())
    skipped = (source.skipped_rows.rows, source.skipped_rows.cells)
    require(name, any(len(batch) for batch in batches), "it yields no events")
    require(name, _same(batches, list(source.batches())), "it yields other batches when it is read again")
    again = (source.skipped_rows.rows, source.skipped_rows.cells)
    require(name, again == skipped, f"`skipped_rows` counts {skipped} at the first reading, {again} at the second")
    for batch in batches:
        _check_batch(source, batch)
    number = np.concatenate([batch.number for batch in batches])
    require(name, number.min() >= 1, f"an event has the number {number.min()}; they count from 1")
    length = source.length()
    require(name, length is None or length >= number.max(), f"`length()` is {length}, but a number is {number.max()}")
    if not isinstance(source, Transform):
        # A drift or fault may drop, double and reorder what it wraps.
        require(name, bool((np.diff(number) > 0).all()), "the numbers of its events do not rise")
    _check_events(source, batches)


def _same(some: list[Batch], others: list[Batch]) -> bool:
    return len(some) == len(others) and all(map(_same_batch, some, others))


def _same_batch(one: Batch, other: Batch) -> bool:
    if list(one.columns) != list(other.columns):
        return False
    pairs = [(one.columns[name], other.columns[name]) for name in one.columns]
    pairs += [(getattr(one, name), getattr(other, name)) for name in _NUMBERS]
    return all(a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype != object) for a, b in pairs)


_NUMBERS = ("number", "y", "target", "optimum", "time", "arrival")


def _check_batch(source: Source, batch: Batch) -> None:
    name = source.name
    for field in _NUMBERS:
        array = getattr(batch, field)
        wanted = np.int64 if field == "number" else np.float64
        require(name, array.dtype == wanted, f"`{field}` of a batch is of {array.dtype}, not {np.dtype(wanted)}")
        require(name, array.shape == (len(batch),), f"`{field}` of a batch of {len(batch)} has the shape {array.shape}")
        if field != "number":
            require(name, not np.isinf(array).any(), f"`{field}` of a batch is infinite")
    for field in ("time", "arrival"):
        require(name, not np.isnan(getattr(batch, field)).any(), f"`{field}` of a batch is NaN")
    for column, values in batch.columns.items():
        require(name, isinstance(column, str) and column != "", f"a column is named {column!r}")
        require(name, values.shape == (len(batch),), f"the column {column!r} has the shape {values.shape}")
        if values.dtype == object:
            wrong = [value for value in values if value is not None and type(value) is not str]
            require(name, not wrong, f"the column {column!r} holds {wrong[:1]}, neither text nor None")
        else:
            require(name, values.dtype == np.float64, f"the column {column!r} is of {values.dtype}")
            require(name, not np.isinf(values).any(), f"the column {column!r} holds an infinite number")
    if source.kind == "ratings":
        columns = tuple(batch.columns)
        require(name, columns == RATING_COLUMNS, f"a batch of ratings has the columns {columns}, not {RATING_COLUMNS}")
        for column in RATING_COLUMNS:
            known = batch.columns[column].dtype == object and all(batch.columns[column].tolist())
            require(name, known, f"a rating has no {column}")


def _check_events(source: Source, batches: list[Batch]) -> None:
    name = source.name
    events = list(source.events())
    expected = list(chain.from_iterable(batch.events(f"{name}-") for batch in batches))
    require(name, events == expected, "`events()` yields other events than `batches()`")
    prefixed = next(source.events("prefix:"))
    require(name, str(prefixed["id"]).startswith("prefix:"), "`events()` does not use its prefix of ids")
    if not isinstance(source, Transform):
        ids = {event["id"] for event in events}
        require(name, len(ids) == len(events), f"{len(events)} events have only {len(ids)} different ids")
    wanted = {"id", "x"} if source.kind == "features" else {"id", "user", "item"}
    wrong: list[Event] = [event for event in events if event.keys() - {"y"} != wanted]
    require(name, not wrong, f"an event has the keys {[sorted(event) for event in wrong[:1]]}")
