"""How much is written to the disk, and how much may be: flash wears out by what is written to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

DAY_S = 86_400.0
PACE_S = 3600.0
"""The pace is that of the last hour."""
SAMPLES = 60


class WriteBudget:
    """A token bucket of bytes that holds a day's allowance and is refilled all day long.

    What is written is known only afterwards, so the last write may overdraw it; the next one then waits. In any time
    at most a day's allowance, what is refilled meanwhile, and one such write go to the disk.

    Args:
        per_day: how many bytes may be written a day.
        written: how many the process has written so far; None where that is not known, which is taken for none.
        now: by the monotonic clock.
        left: what was left of the allowance when that was last kept; a whole one where it is not given.
        away_s: how long ago that was.

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
        """How many bytes this process has written."""
        self._now = now
        self.left = per_day if left is None else min(per_day, left + max(away_s, 0.0) * per_day / DAY_S)
        self._samples = deque([(now, 0)], maxlen=SAMPLES + 1)

    @property
    def is_eased(self) -> bool:
        """Whether enough is left to write freely again: a hundredth of a day's allowance."""
        return self.left >= self._per_day / 100

    def allows(self, now: float) -> bool:
        """Whether something may be written now."""
        self.settle(now)
        return self.left >= 0.0

    def per_day(self, now: float) -> float:
        """At which pace bytes are written, by what was written in the last hour, or the first minute."""
        self.settle(now)
        then, total = self._samples[0]
        # What a start writes within an instant is not what goes on all day.
        return (self.total - total) / max(now - then, PACE_S / SAMPLES) * DAY_S

    def settle(self, now: float) -> None:
        """Take account of what was written and refilled by now."""
        total = self._written() or 0
        self.left = min(self._per_day, self.left + (now - self._now) * self._per_day / DAY_S) - (total - self.total)
        self.total, self._now = total, now
        if now - self._samples[-1][0] >= PACE_S / SAMPLES:
            self._samples.append((now, total))
