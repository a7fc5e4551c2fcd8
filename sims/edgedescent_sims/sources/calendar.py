"""Calendar features of the time of an event: time of day, day of the week and month.

The encoding was chosen by what its forms cost a learner when they are wrong:

- Time of day is a point on a circle, so that 23:59 lies next to 0:00, and a category for each hour, so that a linear
  model can give the rush hour any shape. With both, linear models and networks were better than with either alone on a
  stream of road traffic.
- The day of the week is a category: a weekend is no point between Friday and Monday.
- The month is a category: in a stream shorter than a year a number would be a trend that never comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.sources.batch import Column

DAY_S, WEEK_S = 86_400.0, 604_800.0

_MONTH_NAMES = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Texts that are no numbers, which a learner would read them as.
_HOURS = np.array([*(f"{hour:02d}h" for hour in range(24)), None], dtype=object)
_WEEKDAYS = np.array(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", None], dtype=object)
_MONTHS = np.array([*_MONTH_NAMES, None], dtype=object)


@dataclass(frozen=True)
class Calendar:
    """Calendar features that a stream can have: no hours where every event is at midnight, for example.

    Args:
        name: Name of the time; that of each feature begins with it.
        hour: True for features of the time of day.
        weekday: True for the day of the week.

    Example:
        >>> features = Calendar("t", hour=False, weekday=True).features(np.array([0.0, np.nan]))
        >>> {name: column.tolist() for name, column in features.items()}
        {'t.weekday': ['Thursday', None], 't.month': ['January', None]}
    """

    name: str
    hour: bool
    weekday: bool

    @classmethod
    def of(cls, name: str, times: NDArray[np.float64]) -> Calendar:
        """Calendar for a stream that starts with these times."""
        known = times[np.isfinite(times)]
        steps = np.abs(np.diff(known))
        return cls(name, hour=bool((known % DAY_S != 0).any()), weekday=not len(steps) or np.median(steps) < WEEK_S)

    def features(self, times: NDArray[np.float64]) -> dict[str, Column]:
        """Features of events at these Unix times (UTC); missing where a time is NaN."""
        known = np.isfinite(times)
        seconds = np.where(known, times, 0.0)
        features: dict[str, Column] = {}
        if self.hour:
            angle = np.where(known, seconds % DAY_S * (2 * np.pi / DAY_S), np.nan)
            features[f"{self.name}.day_sin"], features[f"{self.name}.day_cos"] = np.sin(angle), np.cos(angle)
            hours = (seconds % DAY_S // 3600).astype(np.intp)
            features[f"{self.name}.hour"] = _HOURS[np.where(known, hours, -1)]
        if self.weekday:
            days = ((seconds // DAY_S + 3) % 7).astype(np.intp)  # 1970 began on a Thursday.
            features[f"{self.name}.weekday"] = _WEEKDAYS[np.where(known, days, -1)]
        months = seconds.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12
        features[f"{self.name}.month"] = _MONTHS[np.where(known, months, -1)]
        return features
