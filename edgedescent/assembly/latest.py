"""Latest values of the features, with their ages."""

from __future__ import annotations

import math
from typing import Any

from edgedescent.assembly.inputs import Reading

Saved = list[tuple[str, float, float | str | None, int]]


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
    """

    def __init__(self, ages_max_s: list[float | None], features_max: int) -> None:
        self._ages_max_s = [math.inf if age is None else age for age in ages_max_s]
        self._features_max = features_max
        self._values: dict[str, tuple[float, float | str | None, int]] = {}

    def update(self, reading: Reading) -> int:
        """Set the values of a reading; returns how many had no room."""
        values, time, number, dropped = self._values, reading.time, reading.input, 0
        for name, value in reading.values.items():
            if name not in values and len(values) >= self._features_max:
                dropped += 1
            else:
                values[name] = time, value, number
        return dropped

    def at(self, time: float) -> dict[str, Any]:
        """Values that are neither missing nor too old at a time, not before that of any of them."""
        ages = self._ages_max_s
        return {
            name: value
            for name, (at, value, number) in self._values.items()
            if value is not None and time - at <= ages[number]
        }

    def value(self, name: str, time: float, age_max_s: float) -> float | str | None:
        """Value of a feature at a time; None where it is missing or older."""
        at, value, _ = self._values.get(name, (-math.inf, None, 0))
        return value if time - at <= age_max_s else None

    def save(self) -> Saved:
        """Names, times, values and inputs, in the order in which they came first."""
        return [(name, *found) for name, found in self._values.items()]

    def restore(self, saved: Saved) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it belongs to other inputs, or a number is not finite.
        """
        for _, time, value, number in saved:
            finite = isinstance(value, str | None) or math.isfinite(value)
            if not (finite and math.isfinite(time) and 0 <= number < len(self._ages_max_s)):
                raise ValueError("A value of the inputs does not fit.")
        self._values = {name: (time, value, number) for name, time, value, number in saved}
