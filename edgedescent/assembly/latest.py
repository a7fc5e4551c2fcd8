"""Latest values of the features, with their ages."""

from __future__ import annotations

import math
from typing import Any

from edgedescent.assembly.inputs import Reading

Saved = list[tuple[str, float, float | str | None, int]]
SavedRows = tuple[int, list[tuple[int, int]]]


class LatestValues:
    """The last value of each feature, which counts as missing once it is too old for its input.

    Args:
        ages_max_s: Largest age of the values of each input; None for no bound.
        features_max: Bound on the number of features.

    Example:
        >>> latest = LatestValues([60.0], 10)
        >>> latest.update(Reading(100.0, 0, "t", {"temp": 20.0, "door": None}))
        0
        >>> latest.at(160.0), latest.at(161.0)
        ({'temp': 20.0}, {})
        >>> latest.missing_share("temp")
        0.5
    """

    def __init__(self, ages_max_s: list[float | None], features_max: int) -> None:
        self._ages_max_s = [math.inf if age is None else age for age in ages_max_s]
        self._features_max = features_max
        self._values: dict[str, tuple[float, float | str | None, int]] = {}
        self._n_rows = 0
        self._absent: dict[str, list[int]] = {}
        """Number of rows before each feature came first, and number of those since in which it was missing."""

    def update(self, reading: Reading) -> int:
        """Set the values of a reading; returns how many had no room."""
        values, time, number, dropped = self._values, reading.time, reading.input, 0
        for name, value in reading.values.items():
            if name not in values and len(values) >= self._features_max:
                dropped += 1
                continue
            if name not in values:
                self._absent[name] = [self._n_rows, 0]
            values[name] = time, value, number
        return dropped

    def at(self, time: float) -> dict[str, Any]:
        """Values of a row: those neither missing nor too old at a time, which is not before that of any of them."""
        ages, values = self._ages_max_s, self._values
        x = {
            name: value
            for name, (at, value, number) in values.items()
            if value is not None and time - at <= ages[number]
        }
        self._n_rows += 1
        if len(x) < len(values):
            for name in values.keys() - x.keys():
                self._absent[name][1] += 1
        return x

    def missing_share(self, name: str) -> float | None:
        """Share of the rows in which a feature was missing, since it came first; None before the first such row."""
        before, missing = self._absent[name]
        rows = self._n_rows - before
        return missing / rows if rows else None

    def is_missing(self, name: str, time: float) -> bool:
        """True if a known feature is a gap or too old at a time."""
        at, value, number = self._values[name]
        return value is None or time - at > self._ages_max_s[number]

    def value(self, name: str, time: float, age_max_s: float) -> float | str | None:
        """Value of a feature at a time; None where it is missing or older."""
        at, value, _ = self._values.get(name, (-math.inf, None, 0))
        return value if time - at <= age_max_s else None

    def save(self) -> Saved:
        """Names, times, values and inputs, in the order in which they came first."""
        return [(name, *found) for name, found in self._values.items()]

    def save_rows(self) -> SavedRows:
        """Number of rows, and how many each feature was not there for yet, and missing in, in the order of `save`."""
        return self._n_rows, [(before, missing) for before, missing in self._absent.values()]

    def restore(self, saved: Saved, rows: SavedRows) -> None:
        """Continue with what `save` and `save_rows` returned; without rows, counting begins anew.

        Raises:
            ValueError: If it belongs to other inputs, or a number is not possible.
        """
        n_rows, absent = rows
        absent = absent or [(n_rows, 0)] * len(saved)
        if len(absent) != len(saved) or not all(min(pair) >= 0 and sum(pair) <= n_rows for pair in absent):
            raise ValueError("The counts of missing values do not fit.")
        for _, time, value, number in saved:
            finite = isinstance(value, str | None) or math.isfinite(value)
            if not (finite and math.isfinite(time) and 0 <= number < len(self._ages_max_s)):
                raise ValueError("A value of the inputs does not fit.")
        self._values = {name: (time, value, number) for name, time, value, number in saved}
        self._n_rows = n_rows
        self._absent = {name: list(pair) for (name, *_), pair in zip(saved, absent, strict=True)}
