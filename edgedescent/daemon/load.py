"""Load of the daemon: how busy the learner is, how much it could bear, and how far behind it is."""

from __future__ import annotations

from typing import Any

INTERVAL_S = 1.0
"""Time between two updates of the load."""
BUSY_SHARE = 0.95
"""Share of the time from which on the learner has no time left."""
SATURATED_S = 10.0
"""Time for which the learner must be busy all the time to count as saturated, and must not be to count no longer."""
READING_MAX_S = 10.0
"""Age up to which a time that a publisher gave says how far behind the daemon is."""


class Load:
    """Share of the time that the learner is busy, and the rate that it could bear.

    Args:
        now: Time of the monotonic clock.

    Attributes:
        busy: Share of the time in which the learner was busy, over the last `INTERVAL_S`.
        capacity: Events that it could bear in a second, at the recent time for each; None before there was one.
        message_capacity: The same in messages.
        arrivals: Messages that came in a second, recently.
        saturated: True if more comes than it can bear.

    Example:
        >>> load = Load(0.0)
        >>> for second in range(1, 12):
        ...     load.add(events=100, messages=100, busy_s=0.99)
        ...     _ = load.update(float(second))
        >>> round(load.capacity), load.saturated
        (101, True)
    """

    def __init__(self, now: float) -> None:
        self.busy = 0.0
        self.capacity: float | None = None
        self.message_capacity: float | None = None
        self.arrivals = 0.0
        self.saturated = False
        self._events = self._messages = self._arrived = 0
        self._busy_s = 0.0
        self._at = now
        self._since = now
        """Time since which the learner is as busy, or as idle, as at the last update."""
        self._is_busy = False

    def arrived(self, messages: int) -> None:
        """Add messages that were received."""
        self._arrived += messages

    def add(self, *, events: int, messages: int, busy_s: float) -> None:
        """Add what was handled, and the time that it took."""
        self._events += events
        self._messages += messages
        self._busy_s += busy_s

    def update(self, now: float) -> bool:
        """Update the load if it is time to; returns True then."""
        elapsed = now - self._at
        if elapsed < INTERVAL_S:
            return False
        if self._events and self._busy_s > 0:
            # Means over some seconds, weighted by the time that the learner was busy.
            weight = min(self._busy_s / elapsed, 1.0) / 4
            self.capacity = _moved(self.capacity, self._events / self._busy_s, weight)
            self.message_capacity = _moved(self.message_capacity, self._messages / self._busy_s, weight)
        self.arrivals = _moved(self.arrivals, self._arrived / elapsed, 0.5)
        self.busy = min(self._busy_s / elapsed, 1.0)
        is_busy = self.busy >= BUSY_SHARE
        if is_busy != self._is_busy:
            self._is_busy, self._since = is_busy, self._at
        if is_busy != self.saturated and now - self._since >= SATURATED_S:
            self.saturated = is_busy
        self._events = self._messages = self._arrived = 0
        self._busy_s, self._at = 0.0, now
        return True

    def metrics(self) -> dict[str, Any]:
        """Load as it is published."""
        capacity = {} if self.capacity is None else {"events_per_busy_second": round(self.capacity, 1)}
        return {"busy": round(self.busy, 3), "saturated": int(self.saturated), **capacity}


def _moved(before: float | None, now: float, weight: float) -> float:
    """Mean that moves towards a new value."""
    return now if before is None else before + weight * (now - before)


class Delay:
    """Seconds between the sending of a message and its learning, by the times that publishers give.

    Their clocks may differ from that of the device.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._at: float | None = None
        """Time of the last reading, by the monotonic clock."""

    def is_due(self, now: float) -> bool:
        """True once a second: more often, it would cost the learning."""
        return self._at is None or now - self._at >= INTERVAL_S

    def read(self, sent_at: float | None, wall_now: float, now: float) -> None:
        """Take the time of a message that is learned now.

        Args:
            sent_at: Time in the message, in seconds since 1970; None if it has none.
            wall_now: Current time in seconds since 1970.
            now: The same by the monotonic clock.
        """
        if sent_at is not None:
            self._seconds, self._at = max(wall_now - sent_at, 0.0), now

    def seconds(self, now: float) -> float | None:
        """Seconds behind; None if no recent message gave its time."""
        return None if self._at is None or now - self._at > READING_MAX_S else self._seconds
