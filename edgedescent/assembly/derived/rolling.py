"""Rolling statistics over the last rows, or over the last seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edgedescent.assembly.derived.base import ROWS_MAX, Derived, DerivedState, Features, number, require_one_of, span
from edgedescent.assembly.derived.history import RowsState, rows_for

Statistic = Literal["mean", "std", "min", "max", "slope", "median", "quantile"]
Pairs = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Rolling(Derived):
    """Statistics of features over a window that ends with the row at hand.

    ::

        power.mean24     over the last 24 rows
        power.max3600s   over the rows with t > t[k] - 3600
        std              square root of sum (x - mean)² / (n - 1), of two values at least
        slope            of the least-squares line through the values, per second
        quantile         at `q`, between two values by linear interpolation

    A window ignores missing values, and gives a missing feature where it has fewer than `values_min`. Sums are rounded
    once (`math.fsum`), so that they depend neither on the order nor on what was in the window before. A row costs time
    in proportion to the length of the window.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([Rolling(of=["power"], statistics=["mean", "max"], count=2)])
        >>> [deriver.step({"power": value})["power.mean2"] for value in (5.0, 7.0, 2.0)]
        [5.0, 6.0, 4.5]
    """

    of: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000, description="Features")]
    statistics: Annotated[tuple[Statistic, ...], Meta(min_length=1, max_length=7, description="Statistics")] = ("mean",)
    count: Annotated[
        int, Meta(ge=0, le=ROWS_MAX, description="Number of rows of the window; 0 for one by duration")
    ] = 0
    duration_s: Annotated[float | None, Meta(gt=0, le=1e9, description="Duration of the window in seconds")] = None
    q: Annotated[float, Meta(ge=0, le=1, description="Which quantile")] = 0.9
    values_min: Annotated[int, Meta(ge=1, le=ROWS_MAX, description="Number of values that a window must have")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, count=self.count, duration_s=self.duration_s)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return tuple(f"{name}.{tail}" for name in self.of for tail in _tails(self))

    def start(self) -> DerivedState:
        """State that has seen no row."""
        return _RollingState(self)


def _tails(rolling: Rolling) -> list[str]:
    window = str(rolling.count) if rolling.duration_s is None else span(rolling.duration_s)
    return [
        f"quantile{rolling.q:g}.{window}" if statistic == "quantile" else f"{statistic}{window}"
        for statistic in rolling.statistics
    ]


class _RollingState(RowsState):
    def __init__(self, rolling: Rolling) -> None:
        count, duration = rolling.count, rolling.duration_s
        # The row at hand is the last one of the window.
        super().__init__(rolling.of, rows_for(count - 1, duration), duration)
        self._before, self._duration_s, self._values_min = count - 1, duration, rolling.values_min
        functions: dict[str, Callable[[Pairs], float | None]] = {
            **_STATISTICS,
            "quantile": lambda pairs: _quantile(pairs, rolling.q),
        }
        self._functions = list(zip(_tails(rolling), [functions[name] for name in rolling.statistics], strict=True))

    def add(self, time: float, x: Features) -> None:
        for name, history in self._histories.items():
            if self._duration_s is None:
                pairs = history.last(self._before) if self._before else []
            else:
                pairs = history.since(time - self._duration_s)
            now = number(x, name)
            if now is not None:
                pairs.append((time, now))
            if len(pairs) < self._values_min:
                continue
            for tail, function in self._functions:
                value = function(pairs)
                if value is not None:
                    x[f"{name}.{tail}"] = value


def _mean(pairs: Pairs) -> float | None:
    return math.fsum([value for _, value in pairs]) / len(pairs)


def _std(pairs: Pairs) -> float | None:
    if len(pairs) < 2:
        return None
    mean = math.fsum([value for _, value in pairs]) / len(pairs)
    return math.sqrt(math.fsum([(value - mean) * (value - mean) for _, value in pairs]) / (len(pairs) - 1))


def _slope(pairs: Pairs) -> float | None:
    n = len(pairs)
    mean_time = math.fsum([time for time, _ in pairs]) / n
    mean = math.fsum([value for _, value in pairs]) / n
    squares = math.fsum([(time - mean_time) * (time - mean_time) for time, _ in pairs])
    if squares <= 0.0:
        return None
    return math.fsum([(time - mean_time) * (value - mean) for time, value in pairs]) / squares


def _quantile(pairs: Pairs, q: float) -> float | None:
    values = sorted(value for _, value in pairs)
    place = q * (len(values) - 1)
    low = math.floor(place)
    if low == len(values) - 1:
        return values[-1]
    return values[low] + (values[low + 1] - values[low]) * (place - low)


_STATISTICS: dict[str, Callable[[Pairs], float | None]] = {
    "mean": _mean,
    "std": _std,
    "min": lambda pairs: min(value for _, value in pairs),
    "max": lambda pairs: max(value for _, value in pairs),
    "slope": _slope,
    "median": lambda pairs: _quantile(pairs, 0.5),
}
