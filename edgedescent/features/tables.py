"""Tables of events, arrays and data frames, as columns that the encoder reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgedescent.dataframes import Column, is_frame, read_columns
from edgedescent.features._text import text_value
from edgedescent.validation import as_numbers, as_table

TableLike: TypeAlias = Any
"""Array of shape (n_events, n_columns), or a data frame of pandas, polars, PyArrow and others."""


class Table(NamedTuple):
    """A table of events, one a row."""

    names: list[Any] | None
    """Name of each column; None where they have none."""
    shape: tuple[int, int]
    """Number of events, and of columns."""
    numbers: NDArray[np.float64] | None
    """The values, shape (n_events, n_columns), NaN for a missing one; None where some are no numbers."""
    n_missing: NDArray[np.intp] | None = None
    """Number of the NaNs in each row that stand for no value; None for none."""
    columns: Sequence[list[Any]] = ()
    """The values of each column, None for a missing one, where some are no numbers."""

    def rows(self) -> Iterator[Sequence[Any]]:
        """Yield the values of each event."""
        if self.numbers is None:
            yield from zip(*self.columns, strict=True)
        else:
            for start in range(0, len(self.numbers), 4096):
                yield from self.numbers[start : start + 4096].tolist()

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return a table of some of the events, by their numbers, in the given order."""
        return self._replace(
            shape=(len(rows), self.shape[1]),
            numbers=None if self.numbers is None else self.numbers[rows],
            n_missing=None if self.n_missing is None else self.n_missing[rows],
            columns=[[column[row] for row in rows] for column in self.columns],
        )


def read_table(X: Any, names: Iterable[Any] | None, categories: Collection[str], learner: str) -> Table:
    """Return the events of an array or a data frame.

    A value means what it means in the dict of `learn_one`: a text that is a number is a number, other texts are
    categories, and so are the integers of features in `categories`, for which a float without a fraction counts.

    Args:
        X: Array of shape (n_events, n_columns), or a data frame of pandas, polars or PyArrow, among others.
        names: Name of each column; those of the data frame, or none, if not given.
        categories: Names of the features whose integers are categories.
        learner: Name of the learner, for error messages.

    Raises:
        ValueError: If X is no table, a column holds times or other values that are neither numbers nor texts, or its
            type is a categorical one, but its values are numbers and it is not in `categories`.

    Example:
        >>> import numpy
        >>> X = numpy.array([[1.0, "north"], [2.0, "south"]], dtype=object)
        >>> read_table(X, ["temp", "site"], (), "LinearRegressor").columns
        [[1.0, 2.0], ['north', 'south']]
    """
    given = None if names is None else list(names)
    if is_frame(X):
        columns = read_columns("X", X)
        used = list(columns) if given is None else given
        if len(used) != len(columns):
            raise ValueError(f"`names` must be {len(columns)} names, one for each column. Got {used!r:.200}.")
        return _from_columns(used, list(columns.values()), len(X), categories, learner)
    array = as_table("X", X)
    if array.dtype.kind == "S":
        raise ValueError(f"The `X` must hold numbers or texts. Got {array.flat[0]!r:.80}.")
    if given is not None and len(given) != array.shape[1] and len(array):
        raise ValueError(f"`names` must be {array.shape[1]} names, one for each column. Got {given!r:.200}.")
    if array.dtype.kind not in "OU" and not any(str(name) in categories for name in given or ()):
        numbers = as_numbers("X", array, 2)
        return Table(given, numbers.shape, numbers)
    used = [f"x{j}" for j in range(array.shape[1])] if given is None else given
    parts = [_column(array[:, j]) for j in range(array.shape[1])]
    return _from_columns(used, parts, len(array), categories, learner)._replace(names=given)


def _column(values: NDArray[Any]) -> Column:
    """Return one column of an array: as floats, if all of its values are numbers."""
    if values.dtype.kind not in "OU":
        return Column(as_numbers("X", values, 1) if values.dtype.kind == "f" else values.tolist())
    objects = values.tolist()
    if any(isinstance(value, str | dict | list | tuple) for value in objects):
        return Column(objects)
    missing = np.array([value is None for value in objects], dtype=np.bool_)
    return Column(as_numbers("X", values, 1), missing if missing.any() else None)


def _from_columns(
    names: list[Any], columns: list[Column], n_rows: int, categories: Collection[str], learner: str
) -> Table:
    shape = (n_rows, len(columns))
    is_named = [str(name) in categories for name in names]
    if not any(is_named) and all(isinstance(column.values, np.ndarray) for column in columns):
        numbers, n_missing = np.empty(shape), np.zeros(n_rows, dtype=np.intp)
        for j, column in enumerate(columns):
            numbers[:, j] = column.values
            if column.missing is not None:
                n_missing += column.missing
        return Table(names, shape, numbers, n_missing if n_missing.any() else None)
    lists = []
    for name, column, named in zip(names, columns, is_named, strict=True):
        values = _objects(column)
        if named:
            values = [_category(name, value) for value in values]
        elif column.is_categorical:
            _require_names(name, values, learner)
        lists.append(values)
    return Table(names, shape, None, columns=lists)


def _objects(column: Column) -> list[Any]:
    """Return the values of a column as objects, None for a missing one."""
    if isinstance(column.values, list):
        return column.values
    values = column.values.astype(object)
    if column.missing is not None:
        values[column.missing] = None
    objects: list[Any] = values.tolist()
    return objects


def _category(name: object, value: Any) -> Any:
    """Return a value of a feature in `categories`, in which the integers of an array of floats are floats."""
    if not isinstance(value, float):
        return value
    if value != value:  # noqa: PLR0124 - NaN
        return None
    if not value.is_integer():
        raise ValueError(f"The category {name!r:.80} must be a string or an integer. Got {value!r}.")
    return int(value)


def _require_names(name: object, values: Any, learner: str) -> None:
    """Raise ValueError if a column of a categorical type has values that an event of `learn_one` has for numbers."""
    for value in dict.fromkeys(values):
        if value is not None and (not isinstance(value, str) or text_value(value) != value):
            raise ValueError(
                f"The column {name!r:.80} has a categorical type, but {value!r:.80} is a number or stands for a "
                f"missing value: name it, {learner}(categories=({str(name)!r:.80},)), or convert it to numbers."
            )
