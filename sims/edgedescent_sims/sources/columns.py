"""Inference of what the columns of a table hold, from its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.sources.calendar import Calendar
from edgedescent_sims.sources.parsing import Texts, is_missing, to_number
from edgedescent_sims.sources.times import (
    Parse,
    find_format,
    find_unix_scale,
    from_unix,
    looks_like_unix_time,
    to_times,
)

HEAD_ROWS = 1000
"""Number of rows that decide what a column holds."""

NUMBERS_SHARE = 0.9
"""Least share of numbers in a column of numbers; its other cells are faulty ones."""

IDS_MIN, IDS_SHARE = 50, 0.9
"""Least number of cells, and share of different ones among them, of a column of ids."""

Cells = Sequence[object] | NDArray[Any]
"""Cells of one column: texts or other objects, numbers with NaN where one is missing, or NumPy's times."""

ColumnKind = Literal["number", "category", "time", "unix_time", "ids", "nested"]


class TimeColumn(NamedTuple):
    """Column with the time of the events."""

    name: str
    parse: Parse
    calendar: Calendar


@dataclass
class Layout:
    """Use of each column of a table."""

    numbers: list[str] = field(default_factory=list)
    categories: dict[str, Texts] = field(default_factory=dict)
    time: TimeColumn | None = None
    ids: dict[str, object] = field(default_factory=dict)
    """Columns that are left out, as nearly every row has another value, with an example."""
    times: list[str] = field(default_factory=list)
    """Columns that are left out, as they hold further times."""
    nested: list[str] = field(default_factory=list)
    """Columns that are left out, as they hold lists or tables."""


def infer(
    head: Mapping[str, Cells],
    *,
    categories: Sequence[str] = (),
    numbers: Sequence[str] = (),
    time: str | None = None,
) -> Layout:
    """Return what each column is used for.

    Args:
        head: First cells of each column that may become a feature.
        categories: Columns that are categories, whatever they hold.
        numbers: Columns that are numbers, whatever they hold.
        time: Column with the time of the events; the first one that holds times if None.

    Raises:
        ValueError: If the column `time` holds no times.

    Example:
        >>> layout = infer({"day": ["2024-05-01", "2024-05-02"], "temp": ["1.5", ""], "site": ["a", "b"]})
        >>> layout.time.name, layout.numbers, list(layout.categories)
        ('day', ['temp'], ['site'])
    """
    given: dict[str, ColumnKind] = {**dict.fromkeys(categories, "category"), **dict.fromkeys(numbers, "number")}
    kinds = {name: given.get(name) or kind_of(name, cells) for name, cells in head.items()}
    if time is None:
        time = next((name for kind in ("time", "unix_time") for name in kinds if kinds[name] == kind), None)
    layout = Layout()
    if time is not None:
        parse = _parse_of(head[time])
        if parse is None:
            raise ValueError(time)
        layout.time = TimeColumn(time, parse, Calendar.of(time, to_times(head[time], parse)[0]))
    for name, kind in kinds.items():
        if name == time:
            continue
        if kind in ("number", "unix_time"):
            layout.numbers.append(name)
        elif kind == "category":
            layout.categories[name] = Texts()
        elif kind == "time":
            layout.times.append(name)
        elif kind == "nested":
            layout.nested.append(name)
        else:
            layout.ids[name] = next(cell for cell in head[name] if not is_missing(cell))
    return layout


def kind_of(name: str, cells: Cells) -> ColumnKind:
    """Return what a column holds, by its name and its first cells.

    >>> kind_of("code", ["7", "12", "A3"]), kind_of("load", ["7", "", "NA"])
    ('category', 'number')
    """
    if isinstance(cells, np.ndarray):
        if cells.dtype.kind == "M":
            return "time"
        return "unix_time" if looks_like_unix_time(name, cells) else "number"
    if any(isinstance(cell, (dict, list, tuple, set)) for cell in cells):
        return "nested"
    n_words, found = 0, []
    for cell in cells:
        try:
            number = to_number(cell)
        except ValueError:
            # An infinite number is a fault in a column of numbers, but no word.
            n_words += not _is_infinite(cell)
        else:
            if number is not None:
                found.append(number)
    if not n_words or len(found) >= NUMBERS_SHARE * (len(found) + n_words):
        return "unix_time" if looks_like_unix_time(name, np.array(found)) else "number"
    if find_format(cells) is not None:
        return "time"
    present = [cell for cell in cells if not is_missing(cell)]
    return "ids" if len(present) >= IDS_MIN and len(set(present)) > IDS_SHARE * len(present) else "category"


def _parse_of(cells: Cells) -> Parse | None:
    if isinstance(cells, np.ndarray):
        scale = 1.0 if cells.dtype.kind == "M" else find_unix_scale(cells)
        return None if scale is None else from_unix(scale)
    if (parse := find_format(cells)) is not None:
        return parse
    try:
        numbers = [number for cell in cells if (number := to_number(cell)) is not None]
    except ValueError:
        return None
    scale = find_unix_scale(np.array(numbers, dtype=np.float64))
    return None if scale is None else from_unix(scale)


def _is_infinite(value: object) -> bool:
    return str(value).strip().lower().lstrip("+-") in {"inf", "infinity"}
