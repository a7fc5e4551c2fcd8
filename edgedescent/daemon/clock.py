"""Clock of the daemon. The simulated world replaces it with simulated time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Source of wall-clock and monotonic time, both in seconds."""

    def time(self) -> float:
        """Wall-clock time since 1970; may jump."""

    def monotonic(self) -> float:
        """Time since an arbitrary moment; never goes back."""


class SystemClock:
    """Clock of the operating system."""

    # The functions themselves: the clock is read for every message.
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
