"""Values of a feature in the rows before: by number of rows, or by time."""

from __future__ import annotations

from collections import deque
from itertools import islice, pairwise
from typing import Any

from edgedescent.assembly.derived.base import ROWS_MAX, DerivedState, Features, checked_numbers, number


class History:
    """Last values of one feature with the times of their rows, bounded by count and perhaps by age.

    Args:
        rows_max: Number of rows that are kept.
        age_max_s: Age at which a row is dropped, by the newest one; the newest row that is older is kept, too. None to
            keep all.
    """

    def __init__(self, rows_max: int, age_max_s: float | None = None) -> None:
        self._age_max_s = age_max_s
        self._times: deque[float] = deque(maxlen=rows_max)
        self._values: deque[float | None] = deque(maxlen=rows_max)

    def __len__(self) -> int:
        return len(self._times)

    def push(self, time: float, value: float | None) -> None:
        """Add the newest row."""
        times = self._times
        times.append(time)
        self._values.append(value)
        if self._age_max_s is not None:
            while len(times) > 1 and times[1] <= time - self._age_max_s:
                times.popleft()
                self._values.popleft()

    def before(self, steps: int) -> float | None:
        """Value of so many rows before the next one; None where it is missing."""
        return self._values[-steps] if steps <= len(self._values) else None

    def as_of(self, time: float) -> float | None:
        """Value of the newest row at or before a time; None where it is missing."""
        for at, value in zip(reversed(self._times), reversed(self._values), strict=True):
            if at <= time:
                return value
        return None

    def last(self, count: int) -> list[tuple[float, float]]:
        """Times and values of the last rows, without those where it is missing, oldest first."""
        skipped = max(len(self._times) - count, 0)
        pairs = zip(self._times, self._values, strict=True)
        return [(time, value) for time, value in islice(pairs, skipped, None) if value is not None]

    def since(self, time: float) -> list[tuple[float, float]]:
        """Times and values of the rows behind a time, without those where it is missing, oldest first."""
        pairs = zip(self._times, self._values, strict=True)
        return [(at, value) for at, value in pairs if at > time and value is not None]

    def save(self) -> list[Any]:
        """Times, then values."""
        return [list(self._times), list(self._values)]

    def restore(self, saved: list[Any]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it is no history of this length.
        """
        times, values = saved
        times, values = checked_numbers(times, gaps=False), checked_numbers(values)
        if len(times) != len(values) or len(times) > (self._times.maxlen or 0):
            raise ValueError(f"A history of {len(times)} times and {len(values)} values does not fit.")
        if any(later < earlier for earlier, later in pairwise(times)):
            raise ValueError("The times of a history are not in order.")
        self._times.clear()
        self._values.clear()
        self._times.extend(map(float, times))
        self._values.extend(None if value is None else float(value) for value in values)


class RowsState(DerivedState):
    """State that keeps the last values of several features.

    Args:
        names: The features.
        rows_max: Number of rows that are kept.
        age_max_s: Age at which a row is dropped; None to keep all.
    """

    def __init__(self, names: tuple[str, ...], rows_max: int, age_max_s: float | None = None) -> None:
        self._histories = {name: History(rows_max, age_max_s) for name in names}

    def push(self, time: float, x: Features) -> None:
        """Add a row."""
        for name, history in self._histories.items():
            history.push(time, number(x, name))

    def save(self) -> list[Any]:
        """The histories, in the order of the features."""
        return [history.save() for history in self._histories.values()]

    def restore(self, saved: list[Any]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it does not fit.
        """
        for history, one in zip(self._histories.values(), saved, strict=True):
            history.restore(one)


def rows_for(count: int, duration_s: float | None) -> int:
    """Number of rows that a window keeps before the row at hand."""
    return ROWS_MAX if duration_s else max(count, 1)
