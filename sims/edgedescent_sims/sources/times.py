"""Times in data files: recognition of their format by content, and conversion to Unix time."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.sources.parsing import is_missing, to_number

_NAMED_LIKE_TIME = re.compile(r"time|date|stamp|epoch|unix|^ts$|^t$", re.IGNORECASE)
_UNIX_MIN, _UNIX_MAX = 1e8, 1e11
"""Range of Unix times in seconds, 1973 to 5138: larger ones count milliseconds, microseconds or nanoseconds."""

_DATES = (
    *("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d"),
    *("%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%b %d %Y", "%d-%b-%Y"),
)
_TIMES = ("%I:%M:%S %p", "%I:%M %p")

Parse = Callable[[object], float]
"""Conversion of a cell to Unix time in seconds; raises ValueError if the cell holds no time."""


def find_format(cells: Sequence[object]) -> Parse | None:
    """Return the conversion that fits all cells that are not missing; None if they are no dates.

    Where the order of day and month is not clear from the digits, the one is chosen in which the times do not run
    backwards, else the month stands first.

    >>> find_format(["05/01/2024 10:00", "04/02/2024 09:00"])("03/03/2024 00:00:30")
    1709424030.0
    """
    present = [cell for cell in cells if not is_missing(cell)]
    if not present:
        return None
    fitting: list[tuple[Parse, list[float]]] = []
    for parse in (_from_iso, *map(_from_date, _DATES)):
        try:
            fitting.append((parse, [parse(cell) for cell in present]))
        except ValueError:
            continue
    for parse, times in fitting:
        if all(a <= b for a, b in pairwise(times)):
            return parse
    return fitting[0][0] if fitting else None


def find_unix_scale(numbers: NDArray[np.float64]) -> float | None:
    """Return the number of units a second of Unix times in seconds, milliseconds, microseconds or nanoseconds.

    Returns:
        The number; None if the numbers are no Unix times.

    >>> find_unix_scale(np.array([1.7e12, 1.8e12]))
    1000.0
    """
    present = numbers[np.isfinite(numbers)]
    if not len(present):
        return None
    for scale in (1.0, 1e3, 1e6, 1e9):
        if present.min() / scale >= _UNIX_MIN and present.max() / scale < _UNIX_MAX:
            return scale
    return None


def looks_like_unix_time(name: str, numbers: NDArray[np.float64]) -> bool:
    """Return True for a column that is named like a time and holds Unix times that do not run backwards."""
    if not _NAMED_LIKE_TIME.search(name) or find_unix_scale(numbers) is None:
        return False
    present = numbers[np.isfinite(numbers)]
    return len(present) > 1 and bool((np.diff(present) >= 0).all()) and present[0] < present[-1]


def from_unix(scale: float) -> Parse:
    """Return the conversion of Unix times with so many units a second."""

    def parse(cell: object) -> float:
        number = to_number(cell)
        return math.nan if number is None else number / scale

    return parse


def to_times(cells: Iterable[object], parse: Parse) -> tuple[NDArray[np.float64], list[int]]:
    """Return a column as Unix times, with NaN for those that are missing or cannot be read.

    Returns:
        The times, and the places of those that cannot be read.
    """
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        since = (cells - np.datetime64(0, "s")) / np.timedelta64(1, "s")
        return since.astype(np.float64), []
    times: list[float] = []
    unreadable = []
    for place, cell in enumerate(cells):
        try:
            times.append(parse(cell))
        except ValueError:
            times.append(math.nan)
            if not is_missing(cell):
                unreadable.append(place)
    return np.array(times, dtype=np.float64), unreadable


def _from_iso(cell: object) -> float:
    """Unix time of ISO 8601 (a time without a zone is taken for UTC), or of an object that is a date."""
    if isinstance(cell, str):
        text = cell.strip()
        if text.isdigit() and len(text) != 8:  # else digits alone could be a date, a separator and a time
            raise ValueError(f"{cell!r} is not a date")
        found = datetime.fromisoformat(text)
    elif isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime(cell.year, cell.month, cell.day)
    else:
        raise ValueError(f"{cell!r} is not a date")  # noqa: TRY004 - a faulty cell, as any other
    return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp()


def _from_date(style: str) -> Parse:
    """Conversion of a date in one style, and a time behind it if there is one."""
    n_words = style.count(" ") + 1

    def parse(cell: object) -> float:
        if not isinstance(cell, str):
            raise ValueError(f"{cell!r} is not a date")  # noqa: TRY004 - a faulty cell, as any other
        words = cell.replace(",", " ").split()
        day = _day(" ".join(words[:n_words]), style)
        return day + (_seconds(" ".join(words[n_words:])) if len(words) > n_words else 0.0)

    return parse


# Of the dates and times of a file, most are seen many times; strptime takes some five microseconds.
@functools.lru_cache(maxsize=10_000)
def _day(text: str, style: str) -> float:
    return datetime.strptime(text, style).replace(tzinfo=UTC).timestamp()


@functools.lru_cache(maxsize=100_000)
def _seconds(text: str) -> float:
    for style in _TIMES:
        try:
            clock = datetime.strptime(text, style).time()
        except ValueError:
            continue
        break
    else:
        hour, _, rest = text.partition(":")
        clock = time_of_day.fromisoformat(f"{hour:0>2}:{rest}")
    return clock.hour * 3600.0 + clock.minute * 60.0 + clock.second + clock.microsecond / 1e6
