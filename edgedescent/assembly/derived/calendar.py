"""Calendar features: hour, weekday, day of the year, and public holidays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta

from edgedescent.assembly.derived.base import Derived, DerivedState, Features
from edgedescent.assembly.zones import zone_of
from edgedescent.errors import ConfigError

Part = Literal["hour", "weekday", "yearday"]
_DAYS_OF_YEAR = 365.25
_DATES_MAX = 4096
"""Bound on the dates whose holidays are remembered."""


@dataclass(frozen=True, kw_only=True)
class Calendar(Derived):
    """Cyclic features of the time of a row.

    Each part of the time, in a time zone, is the sine and cosine of an angle::

        hour      2π (hour + minute / 60 + second / 3600) / 24
        weekday   2π weekday / 7                                Monday is 0
        yearday   2π day / 365.25                               January 1 is 1

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> x = Deriver([Calendar(parts=["hour"], time_zone="Europe/Paris")]).step({}, 1767607200.0)
        >>> {name: round(value, 6) for name, value in x.items()}
        {'hour.sin': 0.258819, 'hour.cos': -0.965926}
    """

    parts: Annotated[tuple[Part, ...], Meta(min_length=1, max_length=3, description="Parts of the time")] = (
        "hour",
        "weekday",
        "yearday",
    )
    time_zone: Annotated[str, Meta(description="Time zone, such as ``Europe/Paris``")] = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        _zone(self.time_zone)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return tuple(f"{part}.{wave}" for part in self.parts for wave in ("sin", "cos"))

    def start(self) -> DerivedState:
        """State, which is empty."""
        return _CalendarState(self)


@dataclass(frozen=True, kw_only=True)
class Holidays(Derived):
    """Public holidays of a country: ``holiday`` is 1 on one and 0 on other days, in a time zone.

    It needs the package holidays, which the extra ``holidays`` installs.

    Example:
        >>> from edgedescent.assembly import Deriver
        >>> deriver = Deriver([Holidays(country="FR", time_zone="Europe/Paris")])
        >>> [deriver.step({}, time)["holiday"] for time in (1767225600.0, 1767607200.0)]
        [1.0, 0.0]
    """

    country: Annotated[str, Meta(description="ISO 3166-1 code, such as ``FR``")]
    subdivision: Annotated[str, Meta(description="State or province, as in ISO 3166-2; empty for the country")] = ""
    time_zone: Annotated[str, Meta(description="Time zone, such as ``Europe/Paris``")] = "UTC"

    def __post_init__(self) -> None:
        super().__post_init__()
        _zone(self.time_zone)
        self.start()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that it makes."""
        return ("holiday",)

    def start(self) -> DerivedState:
        """State, which is empty."""
        return _HolidayState(self)


def _zone(name: str) -> datetime:
    try:
        return datetime.fromtimestamp(0, zone_of(name, "time_zone"))
    except ConfigError as error:
        raise ValueError(str(error)) from None


class _CalendarState(DerivedState):
    keeps_rows = False

    def __init__(self, calendar: Calendar) -> None:
        self._parts = calendar.parts
        self._zone = zone_of(calendar.time_zone, "time_zone")

    def add(self, time: float, x: Features) -> None:
        at = datetime.fromtimestamp(time, self._zone)
        for part in self._parts:
            if part == "hour":
                turn = (at.hour + at.minute / 60 + at.second / 3600) / 24
            elif part == "weekday":
                turn = at.weekday() / 7
            else:
                turn = at.timetuple().tm_yday / _DAYS_OF_YEAR
            x[f"{part}.sin"] = math.sin(2 * math.pi * turn)
            x[f"{part}.cos"] = math.cos(2 * math.pi * turn)


class _HolidayState(DerivedState):
    keeps_rows = False

    def __init__(self, declared: Holidays) -> None:
        try:
            import holidays
        except ImportError as error:
            raise ValueError(
                f"Holidays needs a package that is not installed ({error}): pip install 'edgedescent[holidays]'."
            ) from error
        try:
            self._dates = holidays.country_holidays(declared.country, subdiv=declared.subdivision or None)
        except NotImplementedError as error:
            raise ValueError(f"The `country` and `subdivision` of Holidays must be known. {error}") from None
        self._zone = zone_of(declared.time_zone, "time_zone")
        self._known: dict[date, float] = {}

    def add(self, time: float, x: Features) -> None:
        day = datetime.fromtimestamp(time, self._zone).date()
        known = self._known.get(day)
        if known is None:
            if len(self._known) >= _DATES_MAX:
                self._known.clear()
            known = self._known[day] = float(day in self._dates)
        x["holiday"] = known
