"""A bound on the events per second that one source can have learned, so that none can starve the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

SOURCES_MAX = 1024
"""How many sources are told apart; one that was silent for longest is forgotten, and begins with a full bucket."""


class RateLimit:
    """A token bucket for each source that holds one second's events (RFC 2697 calls its size the burst).

    Time is that of the messages, so that the same messages always give the same result. Where it goes back, because
    the clock was set, nothing is refilled until it goes on from there.

    Args:
        per_second: how many events a second each source may have.

    Example:
        >>> limit = RateLimit(per_second=2)
        >>> [limit.take("pump", at_s) for at_s in (0.0, 0.0, 0.0, 0.5, 0.5)]
        [True, True, False, True, False]
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(per_second, 1.0)
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By name, how many tokens each had and when; the one that was asked for last at the end."""

    def take(self, source: str, now_s: float) -> bool:
        """Whether one more event of a source may be used."""
        tokens, then_s = self._sources.get(source, (self._burst, now_s))
        tokens = min(self._burst, tokens + max(now_s - then_s, 0.0) * self._per_second)
        allowed = tokens >= 1.0
        self._sources[source] = (tokens - allowed, now_s)
        self._sources.move_to_end(source)
        if len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)
        return allowed

    def save(self) -> dict[str, Any]:
        """The sources and what they have left, those silent for longest first."""
        left = np.array(list(self._sources.values()), dtype=np.float64).reshape(-1, 2)
        return {"sources": list(self._sources), "sources_left": left}

    def restore(self, sources: list[str], left: np.ndarray) -> None:
        """Take what `save` returned.

        Raises:
            ValueError: if names and numbers do not match.
        """
        pairs = zip(sources, left.tolist(), strict=True)
        self._sources = OrderedDict((name, (min(tokens, self._burst), at)) for name, (tokens, at) in pairs)
