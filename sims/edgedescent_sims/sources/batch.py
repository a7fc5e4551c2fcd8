"""Batches: consecutive events of a stream, as columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Event = dict[str, Any]
"""One event as it is sent: `id`, then `x` and `y`, or `user`, `item` and `y`; a question has no `y`."""

Column = NDArray[np.float64] | NDArray[np.object_]
"""Values of one feature: numbers, with NaN where it is missing; or texts, with None where it is missing."""

BATCH_EVENTS = 4096
"""Number of events in a full batch: enough that the cost of a NumPy call is spread, little enough for the cache."""

RATING_COLUMNS = ("user", "item")
"""Columns of a batch of ratings."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive events of a stream, in the order of their arrival, as columns of one length.

    Args:
        number: Number of each event in its source, from 1. It makes the event's id, so that a message that arrives
            twice, or whose label arrives later, has the same number again.
        columns: Values of each feature by name; of ratings, the columns ``user`` and ``item``.
        y: Label that the learner gets; NaN for a question, which is only predicted.
        target: What the prediction is scored against: the label as the world gives it, without the faults that are
            injected into `y`. It is known for questions too.
        optimum: Best prediction for an event that is possible without knowing its noise; NaN where it is unknown.
        time: Unix time in seconds of the event by the clock of its sender.
        arrival: Unix time in seconds at which the event arrives.

    Example:
        >>> import numpy as np
        >>> batch = Batch.of({"temp": np.array([20.0, np.nan])}, np.array([3.0, 4.0]))
        >>> list(batch.events("a-"))
        [{'id': 'a-1', 'x': {'temp': 20.0}, 'y': 3.0}, {'id': 'a-2', 'x': {}, 'y': 4.0}]
    """

    number: NDArray[np.int64]
    columns: Mapping[str, Column]
    y: NDArray[np.float64]
    target: NDArray[np.float64]
    optimum: NDArray[np.float64]
    time: NDArray[np.float64]
    arrival: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        columns: Mapping[str, Column],
        y: NDArray[np.float64],
        *,
        number: NDArray[np.int64] | None = None,
        first: int = 1,
        optimum: NDArray[np.float64] | None = None,
        time: NDArray[np.float64] | None = None,
    ) -> Batch:
        """Batch without faults: every label is there, and every event arrives at its time.

        Args:
            columns: Values of each feature by name.
            y: Labels.
            number: Numbers of the events; consecutive ones from `first` if None.
            first: Number of the first event.
            optimum: Best predictions; unknown if None.
            time: Times of the events; their numbers, one a second, if None.
        """
        number = np.arange(first, first + len(y), dtype=np.int64) if number is None else number
        time = number.astype(np.float64) if time is None else time
        optimum = np.full(len(y), np.nan) if optimum is None else optimum
        return cls(number, columns, y, y, optimum, time, time)

    @classmethod
    def concatenate(cls, batches: Sequence[Batch]) -> Batch:
        """One batch of several, in order; a column that one of them lacks is missing there."""
        if len(batches) == 1:
            return batches[0]
        names = dict.fromkeys(name for batch in batches for name in batch.columns)
        columns = {name: _concatenate_column(name, batches) for name in names}
        arrays = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in _ARRAYS}
        return cls(columns=columns, **arrays)

    def __len__(self) -> int:
        return len(self.number)

    def replace(self, **changes: Any) -> Batch:
        """Copy with other values of some fields."""
        return dataclasses.replace(self, **changes)

    def with_columns(self, columns: Mapping[str, Column]) -> Batch:
        """Copy with these columns instead of, or beside, those of the same name."""
        return dataclasses.replace(self, columns={**self.columns, **columns})

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Batch:
        """Batch of the events at these places, in their order."""
        return Batch(
            columns={name: column[rows] for name, column in self.columns.items()},
            **{name: getattr(self, name)[rows] for name in _ARRAYS},
        )

    def column(self, name: str) -> Column:
        """Values of one feature; all missing if the batch has no such column."""
        column = self.columns.get(name)
        return np.full(len(self), np.nan) if column is None else column

    def matrix(self) -> NDArray[np.float64] | None:
        """Columns as one matrix, shape (n_events, n_columns); None where one of them holds texts."""
        columns = list(self.columns.values())
        if any(column.dtype == object for column in columns):
            return None
        return np.column_stack(columns) if columns else np.empty((len(self), 0))

    def features(self) -> Iterator[dict[str, float | str]]:
        """Features of each event by name, without those that are missing."""
        names = list(self.columns)
        if not names:
            yield from ({} for _ in range(len(self)))
            return
        values = [column.tolist() for column in self.columns.values()]
        if not any(_has_gaps(column) for column in self.columns.values()):
            yield from (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))
            return
        for row in zip(*values, strict=True):
            # A NaN is the one value that is not equal to itself.
            yield {
                name: value
                for name, value in zip(names, row, strict=True)
                if value is not None and value == value  # noqa: PLR0124
            }

    def events(self, id_prefix: str) -> Iterator[Event]:
        """Events as they are sent.

        Args:
            id_prefix: Text before the number in the ids.
        """
        is_ratings = tuple(self.columns) == RATING_COLUMNS
        for number, features, y in zip(self.number.tolist(), self.features(), self.y.tolist(), strict=True):
            event: Event = {"id": f"{id_prefix}{number}"}
            event.update(features if is_ratings else {"x": features})
            if y == y:  # noqa: PLR0124 - not NaN
                event["y"] = y
            yield event


_ARRAYS = tuple(field.name for field in dataclasses.fields(Batch) if field.name != "columns")


def _concatenate_column(name: str, batches: Sequence[Batch]) -> Column:
    parts = [batch.column(name) for batch in batches]
    if any(part.dtype == object for part in parts):
        # A batch that lacks the column does not know that it holds texts, in which None stands for a missing one.
        parts = [
            part if name in batch.columns else np.full(len(batch), None, dtype=object)
            for batch, part in zip(batches, parts, strict=True)
        ]
    return cast("Column", np.concatenate(parts))


def _has_gaps(column: Column) -> bool:
    if column.dtype == object:
        return any(value is None for value in column.tolist())
    return bool(np.isnan(column).any())


def rebatched(batches: Iterator[Batch], n_events: int = BATCH_EVENTS) -> Iterator[Batch]:
    """Batches of `n_events` each, the last one less; for transforms that drop, double or hold back events."""
    waiting: list[Batch] = []
    n_waiting = 0
    for batch in batches:
        waiting.append(batch)
        n_waiting += len(batch)
        if n_waiting >= n_events:
            joined = Batch.concatenate(waiting)
            full = n_waiting - n_waiting % n_events
            for start in range(0, full, n_events):
                yield joined.take(slice(start, start + n_events))
            waiting, n_waiting = [joined.take(slice(full, None))], n_waiting - full
    if n_waiting:
        yield Batch.concatenate(waiting)
