"""Features as the peers of other libraries take them: numbers, and texts as indicators."""

from __future__ import annotations

from collections.abc import Mapping

from edgedescent_sims.peers.base import LARGEST

Numbers = dict[str, float]


def split(x: Mapping[str, float | str | None]) -> tuple[Numbers, Numbers]:
    """Return the numbers of an event, and an indicator of 1.0 for each of its texts.

    Values that are None, not finite, or larger than 1e30 are left out.

    >>> split({"temp": 20.5, "site": "north", "flow": float("nan")})
    ({'temp': 20.5}, {'site=north': 1.0})
    """
    numbers: Numbers = {}
    indicators: Numbers = {}
    for name, value in x.items():
        if isinstance(value, str):
            indicators[f"{name}={value}"] = 1.0
        elif value is not None and abs(value) <= LARGEST:
            numbers[name] = value
    return numbers, indicators


class ZeroFill:
    """Names that were in learned events; an event that lacks some gets them with the value 0.0.

    The table grows with the number of distinct names, and of distinct texts.

    >>> fill = ZeroFill()
    >>> fill.learn({"site=north": 1.0})
    >>> fill.transform({"site=south": 1.0})
    {'site=north': 0.0, 'site=south': 1.0}
    """

    def __init__(self) -> None:
        self._zeros: Numbers = {}

    def learn(self, x: Numbers) -> None:
        """Remember the names of an event."""
        if not x.keys() <= self._zeros.keys():
            self._zeros.update(dict.fromkeys(x, 0.0))

    def transform(self, x: Numbers) -> Numbers:
        """Return the values of an event, with 0.0 for all names that it lacks."""
        return {**self._zeros, **x} if self._zeros else x
