"""Simulated time: a queue of scheduled events and the clock of the daemon."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

EPOCH_S = 1_700_000_000.0
"""Wall-clock time at which a world begins, in seconds since 1970."""


class Timeline:
    """Scheduler that runs events in the order of their times, and a `Clock` for the daemon.

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
        """Error of the wall clock."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def time(self) -> float:
        """Wall-clock time in seconds since 1970; may jump."""
        return EPOCH_S + self.now + self.wall_error_s

    def monotonic(self) -> float:
        """Seconds since the beginning of the world."""
        return self.now

    def after(self, delay_s: float, event: Callable[[], None]) -> None:
        """Schedule an event; an infinite delay means never."""
        if delay_s < math.inf:
            # The count keeps events of the same time in order.
            self._count += 1
            heapq.heappush(self._events, (self.now + delay_s, self._count, event))

    def run_next(self, until: float) -> bool:
        """Run the next event if it is due by `until`; else advance the time to `until`.

        Returns:
            True if an event was run.
        """
        if self._events and self._events[0][0] <= until:
            due, _, event = heapq.heappop(self._events)
            self.now = max(self.now, due)
            event()
            return True
        self.now = max(self.now, until)
        return False

    def run_until(self, until: float) -> None:
        """Run all events that are due by `until`, and advance the time to it."""
        while self.run_next(until):
            pass
