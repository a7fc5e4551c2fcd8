"""Derived features of rows, one after another: in the daemon, in Python, with pandas and in River pipelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edgedescent.assembly.derived import Derived
from edgedescent.assembly.derived.base import Features

if TYPE_CHECKING:
    import pandas as pd


class Deriver:
    """Adds derived features to rows, in the order of their declaration: each may use those before it.

    In a River pipeline it is a transformer, once `edgedescent_river` is imported: `transform_one` changes nothing, and
    `learn_one`, which a pipeline calls behind it, adds the row to the rows before.

    Args:
        derived: What to derive.
        time: Name of the feature that holds the time of a row, in seconds since 1970 or as a `datetime`; it is taken
            out of the features. Without it, rows are a second apart unless a time is given.

    Raises:
        ValueError: If two of them make a feature of one name.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.assembly import Calendar, Deriver, Lag
        >>> deriver, model = Deriver([Lag(of=["power"], steps=[1])]), LinearRegressor()
        >>> for i in range(500):
        ...     x = deriver.step({"power": float(i % 2)})
        ...     model.learn_one(x, float((i + 1) % 2))
        >>> model.predict_one(deriver.transform_one({"power": 0.0})) > 0.7
        True
    """

    # River gives a supervised transformer its row after it was transformed, so that no row is one before itself.
    _supervised = True

    def __init__(self, derived: Sequence[Derived], time: str | None = None) -> None:
        self.derived = tuple(derived)
        self.time = time
        self._states = [one.start() for one in self.derived]
        self._pushing = [state for state in self._states if state.keeps_rows]
        self._n_rows = 0
        require_different_names(self.derived)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the derived features."""
        return tuple(name for one in self.derived for name in one.names)

    def add(self, time: float, x: Features) -> None:
        """Add the derived features of a row to it, in place.

        Args:
            time: Time of the row, in seconds since 1970.
            x: Its features.
        """
        for state in self._states:
            state.add(time, x)

    def push(self, time: float, x: Features) -> None:
        """Add a row, with its derived features, to the rows before.

        Args:
            time: Time of the row, not before that of the last one.
            x: Its features, as `add` left them.
        """
        for state in self._pushing:
            state.push(time, x)
        self._n_rows += 1

    def step(self, x: Mapping[str, Any], time: float | datetime | None = None) -> Features:
        """Features of the next row with the derived ones; the row is then one of those before.

        Args:
            x: Features of the row.
            time: Its time; by default that in the features, or a second after the last row.
        """
        at, features = self._row(x, time)
        self.add(at, features)
        self.push(at, features)
        return features

    def transform_one(self, x: Mapping[str, Any]) -> Features:
        """Features of the next row with the derived ones, without a change of the state."""
        at, features = self._row(x, None)
        self.add(at, features)
        return features

    def learn_one(self, x: Mapping[str, Any], y: object = None) -> None:  # noqa: ARG002 - River's interface
        """Add a row to the rows before."""
        self.step(x)

    def transform_frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of a pandas frame with the derived features, in order; the time is its index where that holds times.

        Args:
            frame: One row for each event; what is NaN is missing.

        Returns:
            A frame with the same index.
        """
        import pandas as pd

        has_times = isinstance(frame.index, pd.DatetimeIndex)
        times: Iterable[Any] = frame.index.to_pydatetime() if has_times else [None] * len(frame)
        rows = [
            self.step({name: value for name, value in row.items() if not pd.isna(value)}, time)
            for row, time in zip(frame.to_dict("records"), times, strict=True)
        ]
        return pd.DataFrame(rows, index=frame.index)

    def _row(self, x: Mapping[str, Any], time: float | datetime | None) -> tuple[float, Features]:
        features = dict(x)
        if self.time is not None:
            found = features.pop(self.time, None)
            time = found if time is None else time
            if time is None:
                raise ValueError(f"The row has no time under {self.time!r}.")
        if time is None:
            return float(self._n_rows), features
        if isinstance(time, datetime):
            time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
        return float(time), features

    def save(self) -> list[Any]:
        """The state as nested lists of numbers and texts."""
        return [self._n_rows, [state.save() for state in self._states]]

    def restore(self, saved: list[Any]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it belongs to other derived features.
        """
        n_rows, states = saved
        for state, one in zip(self._states, states, strict=True):
            state.restore(one)
        self._n_rows = int(n_rows)


def require_different_names(derived: Sequence[Derived]) -> None:
    """Raise ValueError if two derived features have one name."""
    seen: set[str] = set()
    for one in derived:
        for name in one.names:
            if name in seen:
                raise ValueError(f"Two derived features are named {name!r}.")
            seen.add(name)
