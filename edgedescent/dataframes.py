"""Columns of data frames as NumPy arrays and lists: pandas, polars, PyArrow and what else narwhals reads."""

from __future__ import annotations

import warnings
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import narwhals as nw

_MARKS = ("__arrow_c_stream__", "__dataframe__", "iloc", "collect_schema")
"""Attributes of data frames and of their columns, and of nothing else that holds numbers."""


class Column(NamedTuple):
    """One column of a table."""

    values: NDArray[np.float64] | list[Any]
    """Floats, with NaN for a missing value, or objects, with None or NaN for a missing value."""
    missing: NDArray[np.bool_] | None = None
    """Mask of the floats that are missing; None if none is. A NaN that the column held itself is a value."""
    is_categorical: bool = False
    """True if its type says that its values are names of something."""


def is_frame(data: object) -> bool:
    """Return True for a data frame or one of its columns, without importing the library that it is of.

    Args:
        data: Any object.

    Example:
        >>> is_frame([[1.0, 2.0]])
        False
    """
    return any(hasattr(data, mark) for mark in _MARKS)


def read_columns(name: str, frame: Any) -> dict[Any, Column]:
    """Return the columns of a data frame by their names.

    Numbers and booleans become floats. Everything else stays objects, as `to_list` gives them. Texts that are times are
    warned of.

    Args:
        name: Name of the frame in error messages.
        frame: A frame that is in memory.

    Raises:
        ValueError: If it is no data frame, two columns have the same name, or a column holds times.

    Example:
        >>> import pandas
        >>> columns = read_columns("X", pandas.DataFrame({"temp": [20.5, None], "site": ["north", "south"]}))
        >>> columns["temp"].values, columns["site"].values
        (array([20.5,  nan]), ['north', 'south'])
    """
    import narwhals as nw

    try:
        native: Any = nw.from_native(frame, eager_only=True, pass_through=True)
    except nw.exceptions.NarwhalsError as error:
        raise ValueError(f"The `{name}` must have columns of distinct names. {error}") from None
    if not isinstance(native, nw.DataFrame):
        raise ValueError(  # noqa: TRY004 - every unusable table raises the same error
            f"The `{name}` must be an array of 2 dimensions or a data frame in memory. Got {type(frame).__name__}."
        )
    columns = {column.name: column for column in native.iter_columns()}
    if len(columns) != native.shape[1]:
        raise ValueError(f"The `{name}` must have columns of distinct names. Got {list(native.columns)!r:.200}.")
    return {key: _read(f"column {key!r} of `{name}`", column) for key, column in columns.items()}


def read_series(name: str, series: Any) -> list[Any] | NDArray[np.float64]:
    """Return the values of one column: numbers as floats, with NaN for a missing one, and others as objects.

    Args:
        name: Name of the column in error messages.
        series: Column of a data frame.

    Raises:
        ValueError: If it is no column of a data frame, or holds times.

    Example:
        >>> import pandas
        >>> read_series("y", pandas.Series([1, None], dtype="Int64"))
        array([ 1., nan])
    """
    import narwhals as nw

    native: Any = nw.from_native(series, series_only=True, pass_through=True)
    if not isinstance(native, nw.Series):
        raise ValueError(  # noqa: TRY004 - every unusable column raises the same error
            f"The `{name}` must be an array of 1 dimension or one column. Got {type(series).__name__}."
        )
    return _read(f"`{name}`", native).values


def _read(what: str, column: nw.Series[Any]) -> Column:
    import narwhals as nw

    kind = column.dtype
    if kind.is_temporal():
        raise ValueError(
            f"The {what} holds times ({kind}), which are no numbers: give what matters of them as numbers, such as the "
            'hour, by `X["at"].dt.hour` in pandas, and leave the column out.'
        )
    if kind.is_numeric() or kind == nw.Boolean:
        numbers = column.cast(nw.Float64)
        # To pandas, NaN is missing too.
        missing = np.asarray((numbers.is_null() & ~numbers.is_nan().fill_null(value=False)).to_numpy(), dtype=np.bool_)
        if missing.any():
            numbers = numbers.fill_null(np.nan)
        values = np.asarray(numbers.to_numpy(), dtype=np.float64)
        return Column(values, missing if missing.any() else None)
    gone = column.is_null().to_list()
    objects = [_present(value, is_null=null) for value, null in zip(column.to_list(), gone, strict=True)]
    if objects and _is_date(objects[0]) and _is_date(objects[-1]):
        warnings.warn(
            f"The {what} holds times as texts, which are read as categories. Give what matters of them as numbers, "
            'such as the hour, by `pandas.to_datetime(X["at"]).dt.hour`, and leave the column out.',
            stacklevel=2,
        )
    return Column(objects, is_categorical=kind in (nw.Categorical, nw.Enum))


def _is_date(value: Any) -> bool:
    """Return True for a text that begins with a date, such as 2026-11-23 or 2026-11-23T10:00."""
    if not isinstance(value, str) or value[4:5] != "-" or value[7:8] != "-":
        return False
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True


def _present(value: Any, *, is_null: bool) -> Any:
    """Return a value, or None where it is missing; a NaN is no text, but a value."""
    return None if is_null and not isinstance(value, float) else value


def read_row(row: Any) -> dict[Any, Any]:
    """Return one row, a pandas Series by names, as a dict, with None for a missing value.

    Args:
        row: Object with `to_dict`, and with `isna` if values can be missing.

    Raises:
        TypeError: If its `to_dict` returns no dict of values.

    Example:
        >>> import pandas
        >>> read_row(pandas.Series({"temp": 20.5, "load": None}, dtype="Float64"))
        {'temp': 20.5, 'load': None}
    """
    values = row.to_dict()
    if not isinstance(values, dict) or getattr(row, "ndim", 1) != 1:
        raise TypeError(f"The features x of an event must be one row. Got {type(row).__name__} of several.")
    missing = row.isna().to_dict() if hasattr(row, "isna") else {}
    return {name: _present(value, is_null=bool(missing.get(name))) for name, value in values.items()}


def as_list(values: Any) -> list[Any]:
    """Return the values of a column, or of any other collection, as Python objects.

    Args:
        values: Column of a data frame, array, or iterable.

    Example:
        >>> import pyarrow
        >>> as_list(pyarrow.chunked_array([["tea", "milk"]]))
        ['tea', 'milk']
    """
    listed: list[Any] = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    return listed
