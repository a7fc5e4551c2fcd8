"""Rate limit on the events of each source, so that none can starve the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

SOURCES_MAX = 1024
"""Bound on the sources: the one that was silent for longest is dropped, and starts with a full bucket again."""


class RateLimit:
    """One token bucket for each source; its size is the events of one second (the burst of RFC 2697).

    Time is that of the messages, so that the same messages always give the same result. If it goes back, because a
    clock was set, nothing is refilled until it goes on from there.

    Args:
        per_second: events per second that each source may have.

    Example:
        >>> limit = RateLimit(per_second=2)
        >>> [limit.take("pump", at_s) for at_s in (0.0, 0.0, 0.0, 0.5, 0.5)]
        [True, True, False, True, False]
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(per_second, 1.0)
        self._sources: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens of each source and the time at which it had them; the latest source comes last."""

    def take(self, source: str, now_s: float) -> bool:
        """Take a token for one event of a source; False if it has none left."""
        tokens, then_s = self._sources.get(source, (self._burst, now_s))
        tokens = min(self._burst, tokens + max(now_s - then_s, 0.0) * self._per_second)
        allowed = tokens >= 1.0
        self._sources[source] = (tokens - allowed, now_s)
        self._sources.move_to_end(source)
        if len(self._sources) > SOURCES_MAX:
            self._sources.popitem(last=False)
        return allowed

    def save(self) -> dict[str, Any]:
        """Names of the sources and their tokens, those silent for longest first."""
        left = np.array(list(self._sources.values()), dtype=np.float64).reshape(-1, 2)
        return {"sources": list(self._sources), "sources_left": left}

    def restore(self, sources: list[str], left: np.ndarray) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: if there are more names than numbers, or fewer.
        """
        pairs = zip(sources, left.tolist(), strict=True)
        self._sources = OrderedDict((name, (min(tokens, self._burst), at)) for name, (tokens, at) in pairs)
