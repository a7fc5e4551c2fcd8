"""Simulated time: what is to happen when, and the clock that the daemon is given."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

EPOCH_S = 1_700_000_000.0


class Timeline:
    """Events in the order of their time; a `Clock` for the daemon.

    Example:
        >>> timeline = Timeline()
        >>> timeline.after(2.0, lambda: print("two"))
        >>> timeline.after(1.0, lambda: print("one"))
        >>> timeline.run_next(until=1.5), timeline.monotonic()
        one
        (True, 1.0)
        >>> timeline.run_next(until=1.5), timeline.monotonic()
        (False, 1.5)
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.wall_error_s = 0.0
        """How wrong the wall clock is."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def time(self) -> float:
        """Seconds since 1970; jumps."""
        return EPOCH_S + self.now + self.wall_error_s

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return self.now

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Let something happen later; never, if the delay is infinite."""
        if delay_s < math.inf:
            # The count keeps what happens at one time in order.
            self._count += 1
            heapq.heappush(self._events, (self.now + delay_s, self._count, event))

    def run_next(self, until: float) -> bool:
        """Let the next event happen if it is due by `until`; else only the time passes."""
        if self._events and self._events[0][0] <= until:
            due, _, event = heapq.heappop(self._events)
            self.now = max(self.now, due)
            event()
            return True
        self.now = max(self.now, until)
        return False

    def run_until(self, until: float) -> None:
        """Let everything happen that is due by then."""
        while self.run_next(until):
            pass
