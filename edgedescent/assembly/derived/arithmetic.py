"""Products and ratios of features of one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.assembly.derived.base import Derived, DerivedState, Features, number

_SIZE_MAX = 1e100


@dataclass(frozen=True, kw_only=True)
class Product(Derived):
    """Product of features, under their names joined by ``*``.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> Deriver([Product(of=["volt", "ampere"])]).step({"volt": 230.0, "ampere": 2.0})["volt*ampere"]
        460.0
    """

    of: Annotated[tuple[str, ...], Meta(min_length=2, max_length=16, description="Features")]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return ("*".join(self.of),)

    def start(self) -> DerivedState:
        """State, which is empty."""
        return _ProductState(self)


@dataclass(frozen=True, kw_only=True)
class Ratio(Derived):
    """Ratio of two features, under their names joined by ``/``; missing where the second one is 0.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> Deriver([Ratio(of=["watt", "volt"])]).step({"watt": 460.0, "volt": 230.0})["watt/volt"]
        2.0
    """

    of: Annotated[tuple[str, ...], Meta(min_length=2, max_length=2, description="Numerator and denominator")]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return ("/".join(self.of),)

    def start(self) -> DerivedState:
        """State, which is empty."""
        return _RatioState(self)


class _ProductState(DerivedState):
    keeps_rows = False

    def __init__(self, product: Product) -> None:
        self._of, (self._name,) = product.of, product.names

    def add(self, time: float, x: Features) -> None:  # noqa: ARG002
        found = 1.0
        for name in self._of:
            value = number(x, name)
            if value is None:
                return
            found *= value
        if -_SIZE_MAX < found < _SIZE_MAX:
            x[self._name] = found


class _RatioState(DerivedState):
    keeps_rows = False

    def __init__(self, ratio: Ratio) -> None:
        self._of, (self._name,) = ratio.of, ratio.names

    def add(self, time: float, x: Features) -> None:  # noqa: ARG002
        above, below = number(x, self._of[0]), number(x, self._of[1])
        if above is None or not below:
            return
        found = above / below
        if -_SIZE_MAX < found < _SIZE_MAX:
            x[self._name] = found
