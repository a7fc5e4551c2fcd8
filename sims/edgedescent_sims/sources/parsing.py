"""Conversion of cells to numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "?"})
"""Texts, in any case of letters, of a cell without a value."""

_BOOLEANS = {"true": 1.0, "false": 0.0}

_COMMON = {
    spelled: "null" if math.isnan(value) else str(value)
    for text, value in {**dict.fromkeys(MISSING, math.nan), **_BOOLEANS}.items()
    for spelled in (text, text.upper(), text.capitalize(), text.title())
}
"""Cells of words that `to_number` reads, in common spellings, as JSON."""

_decode_numbers = msgspec.json.Decoder(list[float | None]).decode


def to_number(value: object) -> float | None:
    """Return a cell as a finite float, or None if it is missing.

    Raises:
        ValueError: If the cell is a word, a date, or infinite.

    >>> to_number(" 1.5"), to_number("NA"), to_number("False"), to_number(7)
    (1.5, None, 0.0, 7.0)
    """
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            text = value.strip().lower()
            if text in MISSING:
                return None
            if text in _BOOLEANS:
                return _BOOLEANS[text]
            raise
        if "_" in value:
            # float() reads 2011_01 as 201101; in a data file that is an identifier, not a number.
            raise ValueError(f"{value!r} is not a number")
    elif value is None:
        return None
    elif isinstance(value, (int, float)) or hasattr(value, "__float__"):
        try:
            number = float(value)
        except (TypeError, OverflowError) as error:
            raise ValueError(f"{value!r:.80} is not a number that a float can hold") from error
    else:
        raise ValueError(f"{value!r} is not a number")
    if math.isnan(number):
        return None
    if math.isinf(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def is_number(value: object) -> bool:
    """Return True if a cell holds a finite number; False if it is missing or anything else.

    >>> is_number("1.5"), is_number("NA"), is_number("word")
    (True, False, False)
    """
    try:
        return to_number(value) is not None
    except ValueError:
        return False


def to_numbers(cells: Sequence[object] | NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """Return a column of cells as numbers, by the rules of `to_number`.

    Columns of well-formed texts take a fast path, a tenth of the time of the careful one.

    Args:
        cells: Texts or other objects; or numbers, with NaN where one is missing.

    Returns:
        The numbers, with NaN for cells that are missing or cannot be read; and the places of those that cannot be read.

    >>> to_numbers(["1.5", "", "word", "inf"])
    (array([1.5, nan, nan, nan]), [2, 3])
    """
    if isinstance(cells, np.ndarray):
        infinite = np.isinf(cells)
        return np.where(infinite, np.nan, cells), np.flatnonzero(infinite).tolist()
    numbers = _from_json(cells)
    if numbers is None:
        numbers = _from_json([_COMMON.get(cell, cell) if isinstance(cell, str) else cell for cell in cells])
    if numbers is None or np.isinf(numbers).any():
        return _to_numbers_one_by_one(cells)
    return numbers, []


def _from_json(cells: Sequence[object]) -> NDArray[np.float64] | None:
    """Numbers of texts, read as one JSON array, which takes a third of the time of `float`; None if they are none.

    Every number of JSON is one for `to_number`, and of the same value.
    """
    try:
        numbers = _decode_numbers(f"[{','.join(cells)}]")  # type: ignore[arg-type]
    except (TypeError, msgspec.DecodeError, UnicodeEncodeError):
        return None
    # A cell with a comma in it would be several numbers, but no cell can be less than one.
    # JSON reads -0 as 0, so that no zero keeps a sign here.
    return np.array(numbers, dtype=np.float64) + 0.0 if len(numbers) == len(cells) else None


def _to_numbers_one_by_one(cells: Iterable[object]) -> tuple[NDArray[np.float64], list[int]]:
    numbers: list[float] = []
    unreadable = []
    for place, cell in enumerate(cells):
        try:
            number = to_number(cell)
        except ValueError:
            unreadable.append(place)
            number = None
        numbers.append(math.nan if number is None else number)
    return np.array(numbers, dtype=np.float64) + 0.0, unreadable


def is_missing(value: object) -> bool:
    """Return True for a cell without a value.

    >>> is_missing(" NA "), is_missing(float("nan")), is_missing("0")
    (True, True, False)
    """
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


class Texts(dict[object, str | None]):
    """Conversion of cells to categories, which remembers those it has seen; a missing cell is None.

    >>> texts = Texts()
    >>> [texts[cell] for cell in (" cold", "NA", 7)]
    ['cold', None, '7']
    """

    _REMEMBERED_MAX = 100_000

    def __missing__(self, cell: object) -> str | None:
        text = None if is_missing(cell) else str(cell).strip()
        if len(self) >= self._REMEMBERED_MAX:
            self.clear()
        self[cell] = text
        return text
