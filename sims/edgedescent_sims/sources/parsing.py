"""Conversion of cells to numbers."""

from __future__ import annotations

import math

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "?"})
"""Texts, in any case of letters, of a cell without a value."""

_BOOLEANS = {"true": 1.0, "false": 0.0}


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
        number = float(value)
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
