"""Policy that decides when a checkpoint is worth the bytes that it writes."""

from __future__ import annotations

DAY_S = 86_400.0
RECOVERY_S = 2.0
"""Time of learning since the last checkpoint from which on recovery counts as long."""


class CheckpointPolicy:
    """Policy that decides when a checkpoint is due: by the work since the last one, because only that is saved.

    A checkpoint spares recovery the messages since the last one, and lets the journal be trimmed. So it is due, not
    earlier than `interval_s` after the last one, once

    - the messages since then took two seconds to learn, or
    - their blocks in the journal are as large as the checkpoint, so that checkpoints write no more than the journal, or
    - `age_max_s` has passed;

    and in any case after `messages_max` messages.

    Args:
        interval_s: Shortest time between two checkpoints.
        messages_max: Number of messages after which one is due at once.
        age_max_s: Time after which one is due for a single message.
        position: Position of the last message that the state includes at the start.
        now: Time of the monotonic clock in seconds.

    Example:
        >>> policy = CheckpointPolicy(interval_s=300, messages_max=10**6, age_max_s=86_400, position=0, now=0.0)
        >>> policy.written(size=100_000, position=0, now=0.0)
        >>> policy.journaled(5_000)
        >>> policy.is_due(position=50, now=301.0), policy.is_due(position=50, now=86_400.0)
        (False, True)
        >>> policy.journaled(95_000)
        >>> policy.is_due(position=1000, now=301.0)
        True
    """

    def __init__(self, *, interval_s: float, messages_max: int, age_max_s: float, position: int, now: float) -> None:
        self._interval_s = interval_s
        self._messages_max = messages_max
        self._age_max_s = age_max_s
        self._size = 0
        self._start(position, now)

    def _start(self, position: int, now: float) -> None:
        self._position, self._at = position, now
        self._journaled_bytes, self._learning_s = 0, 0.0

    def journaled(self, size: int) -> None:
        """Count a block of the journal.

        Args:
            size: Its size in bytes.
        """
        self._journaled_bytes += size

    def learned(self, seconds: float) -> None:
        """Count time that was spent on learning messages."""
        self._learning_s += seconds

    def is_due(self, position: int, now: float) -> bool:
        """True if a checkpoint is due.

        Args:
            position: Position of the last message that was learned.
            now: Time of the monotonic clock in seconds.
        """
        behind, age = position - self._position, now - self._at
        if behind <= 0:
            return False
        if behind >= self._messages_max or age >= self._age_max_s:
            return True
        is_worth_it = self._learning_s >= RECOVERY_S or self._journaled_bytes >= self._size
        return age >= self._interval_s and is_worth_it

    def written(self, size: int, position: int, now: float) -> None:
        """Note a checkpoint; work is counted from its end on, which is a few turns after the state was taken.

        Args:
            size: Its size in bytes.
            position: Position of the last message that it includes.
            now: Time of the monotonic clock in seconds.
        """
        self._size = size
        self._start(position, now)
