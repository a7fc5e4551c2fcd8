"""Checks of hyper-parameters where they are given: a wrong one never gets as far as the arithmetic."""

from __future__ import annotations

import math


def require_number(
    owner: object,
    name: str,
    value: float,
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
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (numeric and math.isfinite(value) and above < value < below and at_least <= value <= at_most):
        raise ValueError(f"The `{name}` of {_name_of(owner)} must be {expected}. Got {value!r}.")


def require_count(owner: object, name: str, value: int, *, at_least: int = 0, at_most: int | None = None) -> None:
    """Raise ValueError unless `value` is an integer within the bounds.

    >>> require_count("MatrixFactorization", "n_factors", 2.5, at_least=1)
    Traceback (most recent call last):
    ...
    ValueError: The `n_factors` of MatrixFactorization must be an integer >= 1. Got 2.5.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < at_least or (at_most is not None and value > at_most):
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


def _name_of(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
