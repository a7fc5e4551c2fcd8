"""Exponential means, by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from edgedescent.assembly.derived.base import Derived, DerivedState, Features, checked_numbers, number, span


@dataclass(frozen=True, kw_only=True)
class ExponentialMean(Derived):
    """Means of features in which the weight of a value halves with its age.

    ::

        m[k] = m[k - 1] + (1 - 2^(-(t[k] - t[k - 1]) / h)) (x[k] - m[k - 1]),    m[0] = x[0]

    A row in which the feature is missing has none, and leaves the mean as it was.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([ExponentialMean(of=["power"], half_life_s=60.0)])
        >>> [deriver.step({"power": value}, time)["power.ema60s"] for time, value in ((0.0, 8.0), (60.0, 4.0))]
        [8.0, 6.0]
    """

    of: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000, description="Features")]
    half_life_s: Annotated[float, Meta(gt=0, le=1e9, description="Age in seconds at which a weight is a half")]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return tuple(f"{name}.ema{span(self.half_life_s)}" for name in self.of)

    def start(self) -> DerivedState:
        """State that has seen no row."""
        return _ExponentialState(self)


class _ExponentialState(DerivedState):
    def __init__(self, mean: ExponentialMean) -> None:
        self._half_life_s = mean.half_life_s
        self._tail = f"ema{span(mean.half_life_s)}"
        self._means: dict[str, tuple[float, float] | None] = dict.fromkeys(mean.of)
        """Time and mean of the last row that had the feature."""

    def add(self, time: float, x: Features) -> None:
        for name, before in self._means.items():
            now = number(x, name)
            if now is None:
                continue
            if before is None:
                x[f"{name}.{self._tail}"] = now
            else:
                weight = 1.0 - 2.0 ** (-max(time - before[0], 0.0) / self._half_life_s)
                x[f"{name}.{self._tail}"] = before[1] + weight * (now - before[1])

    def push(self, time: float, x: Features) -> None:
        for name in self._means:
            if number(x, name) is not None:
                self._means[name] = time, x[f"{name}.{self._tail}"]

    def save(self) -> list[Any]:
        return [[] if pair is None else list(pair) for pair in self._means.values()]

    def restore(self, saved: list[Any]) -> None:
        for name, pair in zip(self._means, saved, strict=True):
            if len(pair) not in (0, 2):
                raise ValueError(f"{pair!r:.80} is no exponential mean.")
            values = checked_numbers(pair, gaps=False)
            self._means[name] = (float(values[0]), float(values[1])) if values else None
