"""Lags: values of a feature in earlier rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.assembly.derived.base import ROWS_MAX, Derived, DerivedState, Features, number, require_one_of, span
from edgedescent.assembly.derived.history import RowsState

Steps = Annotated[int, Meta(ge=1, le=ROWS_MAX)]
Duration = Annotated[float, Meta(gt=0, le=1e9)]


@dataclass(frozen=True, kw_only=True)
class Lag(Derived):
    """Values of features some rows ago, or at a time some seconds ago.

    ::

        power.lag2      x[k - 2]                            by rows
        power.lag3600s  the newest x with t <= t[k] - 3600  by time

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([Lag(of=["power"], steps=[1])])
        >>> [deriver.step({"power": value}) for value in (5.0, 7.0)]
        [{'power': 5.0}, {'power': 7.0, 'power.lag1': 5.0}]
    """

    of: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000, description="Features")]
    steps: Annotated[tuple[Steps, ...], Meta(max_length=1000, description="Numbers of rows")] = ()
    durations_s: Annotated[tuple[Duration, ...], Meta(max_length=1000, description="Times in seconds")] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of(self, steps=self.steps, durations_s=self.durations_s)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        tails = [f"lag{n}" for n in self.steps] + [f"lag{span(s)}" for s in self.durations_s]
        return tuple(f"{name}.{tail}" for name in self.of for tail in tails)

    def start(self) -> DerivedState:
        """State that has seen no row."""
        return _LagState(self)


@dataclass(frozen=True, kw_only=True)
class Difference(Derived):
    """Change of features against an earlier row: ``power.diff1 = x[k] - x[k - 1]``.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([Difference(of=["power"])])
        >>> [deriver.step({"power": value}) for value in (5.0, 7.0)]
        [{'power': 5.0}, {'power': 7.0, 'power.diff1': 2.0}]
    """

    of: Annotated[tuple[str, ...], Meta(min_length=1, max_length=1000, description="Features")]
    steps: Annotated[tuple[Steps, ...], Meta(min_length=1, max_length=1000, description="Numbers of rows")] = (1,)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return tuple(f"{name}.diff{steps}" for name in self.of for steps in self.steps)

    def start(self) -> DerivedState:
        """State that has seen no row."""
        return _DifferenceState(self)


class _LagState(RowsState):
    def __init__(self, lag: Lag) -> None:
        durations = lag.durations_s
        super().__init__(lag.of, ROWS_MAX if durations else max(lag.steps), max(durations, default=None))
        self._steps = lag.steps
        self._durations = [(f"lag{span(s)}", s) for s in durations]

    def add(self, time: float, x: Features) -> None:
        for name, history in self._histories.items():
            for steps in self._steps:
                value = history.before(steps)
                if value is not None:
                    x[f"{name}.lag{steps}"] = value
            for tail, seconds in self._durations:
                value = history.as_of(time - seconds)
                if value is not None:
                    x[f"{name}.{tail}"] = value


class _DifferenceState(RowsState):
    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.of, max(difference.steps))
        self._steps = difference.steps

    def add(self, time: float, x: Features) -> None:  # noqa: ARG002
        for name, history in self._histories.items():
            now = number(x, name)
            for steps in self._steps:
                before = history.before(steps)
                if now is not None and before is not None:
                    x[f"{name}.diff{steps}"] = now - before
