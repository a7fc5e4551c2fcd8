"""Time since a feature last changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from edgedescent.assembly.derived.base import Derived, DerivedState, Features, checked_numbers


@dataclass(frozen=True, kw_only=True)
class TimeSince(Derived):
    """Seconds since features last changed: ``door.since = t[k] - t`` of the first row with the value that it has now.

    The value may be a number or a category. Where it is missing, the last one still holds.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([TimeSince(of=["door"])])
        >>> [deriver.step({"door": value}, time)["door.since"] for time, value in ((0.0, 1), (60.0, 1), (90.0, 0))]
        [0.0, 60.0, 0.0]
    """

    of: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000, description="Features")]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return tuple(f"{name}.since" for name in self.of)

    def start(self) -> DerivedState:
        """State that has seen no row."""
        return _SinceState(self)


class _SinceState(DerivedState):
    def __init__(self, since: TimeSince) -> None:
        self._last: dict[str, tuple[float, Any] | None] = dict.fromkeys(since.of)
        """Value of each feature, and the time of the first row that had it."""

    def _at(self, name: str, time: float, x: Features) -> tuple[float, Any] | None:
        now, before = x.get(name), self._last[name]
        if now is None or (before is not None and before[1] == now):
            return before
        return time, now

    def add(self, time: float, x: Features) -> None:
        for name in self._last:
            if (at := self._at(name, time, x)) is not None:
                x[f"{name}.since"] = max(time - at[0], 0.0)

    def push(self, time: float, x: Features) -> None:
        for name in self._last:
            self._last[name] = self._at(name, time, x)

    def save(self) -> list[Any]:
        return [[] if pair is None else list(pair) for pair in self._last.values()]

    def restore(self, saved: list[Any]) -> None:
        for name, pair in zip(self._last, saved, strict=True):
            if not pair:
                self._last[name] = None
                continue
            time, value = pair
            checked_numbers([time] if isinstance(value, str) else [time, value], gaps=False)
            self._last[name] = float(time), value
