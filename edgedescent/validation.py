"""Checks of hyper-parameters where they are given: a wrong one never gets as far as the arithmetic."""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Integral, Real
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray


def require_number(
    owner: object,
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> None:
    """Raise ValueError unless `value` is a finite number within the bounds.

    >>> require_number("Adam", "lr", -3, above=0)
    Traceback (most recent call last):
    ...
    ValueError: The `lr` of Adam must be > 0. Got -3.
    """
    bounds = [
        text
        for given, text in (
            (above, f"> {above:g}"),
            (at_least, f">= {at_least:g}"),
            (below, f"< {below:g}"),
            (at_most, f"<= {at_most:g}"),
        )
        if math.isfinite(given)
    ]
    expected = " and ".join(bounds) if bounds else "a finite number"
    number = _to_float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    if not (math.isfinite(number) and above < number < below and at_least <= number <= at_most):
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be {expected}. Got {value!r}.")


def require_count(owner: object, name: str, value: object, *, at_least: int = 0, at_most: int | None = None) -> None:
    """Raise ValueError unless `value` is an integer within the bounds.

    >>> require_count("MatrixFactorization", "n_factors", 2.5, at_least=1)
    Traceback (most recent call last):
    ...
    ValueError: The `n_factors` of MatrixFactorization must be an integer >= 1. Got 2.5.
    """
    whole = int(value) if not isinstance(value, bool) and isinstance(value, Integral) else None
    if whole is None or whole < at_least or (at_most is not None and whole > at_most):
        limit = "" if at_most is None else f" and <= {at_most}"
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be an integer >= {at_least}{limit}. Got {value!r}.")


def require_choice(owner: object, name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of the choices.

    >>> require_choice("LinearRegressor", "when_full", "drop", ("evict", "share"))
    Traceback (most recent call last):
    ...
    ValueError: The `when_full` of LinearRegressor must be one of 'evict', 'share'. Got 'drop'.
    """
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be one of {listed}. Got {value!r}.")


def require_instance(owner: object, name: str, value: object, kind: type) -> None:
    """Raise ValueError unless `value` is an instance of `kind`.

    >>> require_instance("LinearRegressor", "l2", "no", float)
    Traceback (most recent call last):
    ...
    ValueError: The `l2` of LinearRegressor must be an instance of float. Got 'no'.
    """
    if not isinstance(value, kind):
        raise ValueError(  # noqa: TRY004 - every wrong hyper-parameter raises the same error
            f"The `{name}` of {_name_of(owner)} must be an instance of {kind.__name__}. Got {value!r}."
        )


def as_numbers(name: str, values: object, ndim: int) -> NDArray[np.float64]:
    """Return `values` as a contiguous array of floats, with NaN for None.

    Raises:
        ValueError: if they hold anything but real numbers, or do not have `ndim` dimensions.

    >>> as_numbers("y", [1, None, True], ndim=1)
    array([ 1., nan,  1.])
    >>> as_numbers("y", ["1.5"], ndim=1)
    Traceback (most recent call last):
    ...
    ValueError: The `y` must hold real numbers. Got np.str_('1.5').
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"The `{name}` must be an array of {ndim} dimensions. {error}") from None
    if array.size == 0 and array.ndim < ndim:
        array = array.reshape((0,) * ndim)
    if array.ndim != ndim:
        raise ValueError(f"The `{name}` must be an array of {ndim} dimensions. Got {array.ndim}.")
    if array.dtype.kind == "O":
        for value in array.flat:
            if value is not None and not isinstance(value, Real | np.bool_ | Decimal):
                raise ValueError(f"The `{name}` must hold real numbers. Got {value!r:.80}.")
        floats = [math.nan if value is None else _to_float(value) for value in array.flat]
        array = np.array(floats).reshape(array.shape)
    elif array.dtype.kind not in "biuf" and array.size:
        # NumPy would parse text, drop imaginary parts and count the days of a date.
        raise ValueError(f"The `{name}` must hold real numbers. Got {array.flat[0]!r:.80}.")
    return np.ascontiguousarray(array, dtype=np.float64)


def _to_float(value: SupportsFloat) -> float:
    try:
        return float(value)
    except OverflowError:
        # An integer or fraction beyond the largest float.
        return math.inf


def _name_of(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
