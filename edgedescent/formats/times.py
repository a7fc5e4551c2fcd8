"""Times in events, as senders write them."""

from __future__ import annotations

from datetime import UTC, datetime

MILLISECONDS_MIN = 1e11
"""Number from which on a time counts milliseconds: in seconds, it would be in the year 5138."""


def time_of(value: object) -> float | None:
    """Seconds since 1970 of a number of seconds or milliseconds, or of text by RFC 3339; None if it is neither.

    Text without an offset is in UTC.

    Example:
        >>> time_of(1.7e9), time_of(1.7e12), time_of("2023-11-14T22:13:20Z"), time_of("soon")
        (1700000000.0, 1700000000.0, 1700000000.0, None)
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) / 1000 if value >= MILLISECONDS_MIN else float(value)
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
