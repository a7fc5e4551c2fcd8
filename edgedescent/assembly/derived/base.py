"""Base of the derived features, and of their states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from edgedescent.validation import Declared

Features = dict[str, Any]
ROWS_MAX = 10_000
"""Bound on the rows that a window by duration keeps; beyond it the oldest are dropped."""


@dataclass(frozen=True, kw_only=True)
class Derived(Declared, ABC):
    """Base of the declarations of derived features: computed from rows, in their order and by their times.

    A subclass is a frozen dataclass of parameters that says which features it makes and has a state for them.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in getattr(self, "of", ()):
            if not name:
                raise ValueError(f"The `of` of {type(self).__name__} must name features. Got an empty name.")

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features that it reads."""
        return tuple(getattr(self, "of", ()))

    @abstractmethod
    def start(self) -> DerivedState:
        """State that has seen no row."""


class DerivedState(ABC):
    """State of a derived feature: what it keeps of the rows before.

    `add` computes the features of a row without changing the state, so that a prediction leaves no trace; `push` adds
    the row to the rows before. A value that is missing, or no number where one is needed, gives a missing feature,
    which is left out.
    """

    keeps_rows: ClassVar[bool] = True
    """False for a feature of a single row, whose state is always empty."""

    @abstractmethod
    def add(self, time: float, x: Features) -> None:
        """Add the derived features of a row to it.

        Args:
            time: Time of the row in seconds since 1970, not before those pushed.
            x: Features of the row, with what was derived before.
        """

    def push(self, time: float, x: Features) -> None:  # noqa: B027 - a feature of a single row keeps nothing
        """Add a row, with what was derived for it, to the rows before."""

    def save(self) -> list[Any]:
        """The state as lists of numbers and texts."""
        return []

    def restore(self, saved: list[Any]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it is no state of this feature.
        """
        if saved:
            raise ValueError(f"{type(self).__name__} keeps no rows, but the state has {len(saved)} values.")


def number(x: Mapping[str, Any], name: str) -> float | None:
    """Number of a feature; None where it is missing or no number.

    Example:
        >>> number({"a": 2, "b": "x", "c": float("nan")}, "a"), number({"b": "x"}, "b"), number({}, "a")
        (2.0, None, None)
    """
    value = x.get(name)
    if not isinstance(value, int | float):
        return None
    value = float(value)
    # NaN is not equal to itself; infinite values mean nothing either.
    return value if value - value == 0.0 else None


def checked_numbers(saved: Iterable[Any], *, gaps: bool = True) -> list[Any]:
    """Saved values, each of which must be a finite number, or None where gaps are allowed.

    Raises:
        ValueError: If one is not.
    """
    values = list(saved)
    for value in values:
        if value is None and gaps:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0.0:
            raise ValueError(f"{value!r:.80} is no value of a derived feature.")
    return values


def span(seconds: float) -> str:
    """Duration in the name of a feature.

    Example:
        >>> span(3600.0), span(0.5)
        ('3600s', '0.5s')
    """
    return f"{seconds:g}s"


def require_one_of(owner: Derived, **given: object) -> None:
    """Raise ValueError unless exactly one of two parameters is given."""
    if sum(bool(value) for value in given.values()) != 1:
        names = " or ".join(f"`{name}`" for name in given)
        raise ValueError(f"{type(owner).__name__} needs either {names}. Got {given!r}.")
