"""Datatypes of Sparkplug B: from the value as it was transported to the number or text that it means.

References:
    Sparkplug Specification 3.0.0, section 6.4.16 "Data types".
"""

from __future__ import annotations

from typing import Any

from edgedescent_sparkplug.payload import BOOLEAN

SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Widths of Int8 to Int64, which are transported as two's complement in fields without a sign."""
UNSIGNED = frozenset((5, 6, 7, 8))
FLOATS = frozenset((9, 10))
DATETIME = 13
TEXTS = frozenset((12, 14, 15))
"""String, Text and UUID."""
USED = frozenset((*SIGNED_BITS, *UNSIGNED, *FLOATS, BOOLEAN, DATETIME, *TEXTS))
"""Datatypes whose values are read. Datasets, bytes, files, templates, property sets and arrays are left out."""
_INTEGER_FIELDS = ("int_value", "long_value")


class UnusedValueError(Exception):
    """The value is of a datatype that is not read, or not of its datatype."""


def value_of(datatype: int, field: str | None, value: Any) -> float | int | str | bool:
    """Number or text that a value means; a DateTime is in seconds since 1970.

    Args:
        datatype: Number of its datatype.
        field: Field of the payload that holds it.
        value: Value as it was transported.

    Raises:
        UnusedValueError: If it is not used.

    Example:
        >>> value_of(1, "int_value", 0xFE), value_of(3, "int_value", 0xFFFFFFFE), value_of(5, "int_value", 0xFE)
        (-2, -2, 254)
        >>> value_of(13, "long_value", 1_767_607_200_500)
        1767607200.5
    """
    found: float | int | str | bool | None = None
    if field in _INTEGER_FIELDS:
        if datatype in SIGNED_BITS:
            found = _signed(value, SIGNED_BITS[datatype])
        elif datatype in UNSIGNED:
            found = int(value)
        elif datatype == DATETIME:
            found = _signed(value, 64) / 1000.0
    elif (
        (datatype in FLOATS and field in ("float_value", "double_value"))
        or (datatype == BOOLEAN and field == "boolean_value")
        or (datatype in TEXTS and field == "string_value")
    ):
        found = value
    if found is None:
        raise UnusedValueError
    return found


def _signed(value: int, bits: int) -> int:
    # Some senders extend the sign to the width of the field, others do not.
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
