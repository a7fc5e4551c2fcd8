"""Time, as the daemon is given it: a simulated world gives it another."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two ways to ask for the time, both in seconds."""

    def time(self) -> float:
        """Since 1970; may jump."""

    def monotonic(self) -> float:
        """Since some moment; never goes back."""


class SystemClock:
    """The operating system's clock."""

    def time(self) -> float:
        """Since 1970; may jump."""
        return time.time()

    def monotonic(self) -> float:
        """Since some moment; never goes back."""
        return time.monotonic()
