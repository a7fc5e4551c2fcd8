"""Daily budget of bytes written to the disk, because every write wears flash memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

DAY_S = 86_400.0
PACE_S = 3600.0
"""Time over which the current rate of writing is measured."""
SAMPLES = 60
"""Number of samples in that time."""


class WriteBudget:
    """Token bucket of bytes that holds one day's allowance and is refilled continuously.

    The size of a write is known only afterwards, so the last write may overdraw the bucket; the next one then waits.
    In any period at most one day's allowance, the refill of that period and one such write reach the disk.

    Args:
        per_day: Number of bytes that may be written per day.
        written: Returns the number of bytes that the process has written so far; None, which counts as 0, if it is
            unknown.
        now: Time of the monotonic clock in seconds.
        left: Number of bytes that were left of the allowance when it was last saved; the full allowance by default.
        away_s: Seconds since that time.

    Example:
        >>> written = 0
        >>> budget = WriteBudget(864_000, lambda: written, now=0.0)
        >>> written = 864_020
        >>> budget.allows(now=0.0), budget.allows(now=1.0), budget.allows(now=2.0)
        (False, False, True)
    """

    def __init__(
        self,
        per_day: float,
        written: Callable[[], int | None],
        now: float,
        left: float | None = None,
        away_s: float = 0.0,
    ) -> None:
        self._per_day = per_day
        self._written = written
        self.total = 0
        """Number of bytes that this process has written."""
        self._now = now
        self.left = per_day if left is None else min(per_day, left + max(away_s, 0.0) * per_day / DAY_S)
        self._samples = deque([(now, 0)], maxlen=SAMPLES + 1)

    @property
    def can_resume(self) -> bool:
        """True if enough is left to end a pause: a hundredth of a day's allowance."""
        return self.left >= self._per_day / 100

    def allows(self, now: float) -> bool:
        """True if a write may start now."""
        self.update(now)
        return self.left >= 0.0

    def per_day(self, now: float) -> float:
        """Current rate of writing in bytes per day, measured over the last hour."""
        self.update(now)
        then, total = self._samples[0]
        # At least a minute is counted: the writes of the first moments say nothing about a whole day.
        return (self.total - total) / max(now - then, PACE_S / SAMPLES) * DAY_S

    def update(self, now: float) -> None:
        """Account for the bytes written and the refill since the last update."""
        total = self._written() or 0
        self.left = min(self._per_day, self.left + (now - self._now) * self._per_day / DAY_S) - (total - self.total)
        self.total, self._now = total, now
        if now - self._samples[-1][0] >= PACE_S / SAMPLES:
            self._samples.append((now, total))
