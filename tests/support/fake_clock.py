"""Clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now + 1e9

    def monotonic(self) -> float:
        return self.now
