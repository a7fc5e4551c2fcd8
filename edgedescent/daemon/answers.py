"""Queue of answers (published predictions), which wait while there is no connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OVERHEAD_BYTES = 200
"""Memory that a waiting answer takes in addition to its payload."""


class Answers:
    """Sends answers in order, and keeps those that cannot be sent yet in a bounded queue.

    When the queue is full, the oldest answers are dropped.

    Args:
        publish: Sends one answer; returns False if it cannot be sent now.
        bytes_max: Size limit of the queue in bytes.

    Example:
        >>> out: list[bytes] = []
        >>> answers = Answers(lambda payload: len(out) < 1 and not out.append(payload), bytes_max=250)
        >>> for position in (1, 2, 3):
        ...     answers.send(position, b"%d" % position)
        >>> out, answers.first_waiting, answers.dropped
        ([b'1'], 3, 1)
    """

    def __init__(self, publish: Callable[[bytes], bool], bytes_max: int) -> None:
        self._publish = publish
        self._bytes_max = bytes_max
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self.dropped = 0
        """Number of answers dropped because the queue was full."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first_waiting(self) -> int | None:
        """Position of the oldest waiting answer; None if none is waiting."""
        return self._waiting[0][0] if self._waiting else None

    def send(self, position: int, payload: bytes) -> None:
        """Send an answer, or queue it if others wait or it cannot be sent now.

        Args:
            position: Position of the message that is answered.
            payload: The answer.
        """
        if self._waiting or not self._publish(payload):
            self.keep(position, payload)

    def keep(self, position: int, payload: bytes) -> None:
        """Queue an answer without trying to send it."""
        self._waiting.append((position, payload))
        self._bytes += len(payload) + OVERHEAD_BYTES
        while self._bytes > self._bytes_max:
            self._remove_first()
            self.dropped += 1

    def send_waiting(self) -> None:
        """Send waiting answers until the queue is empty or one cannot be sent."""
        while self._waiting and self._publish(self._waiting[0][1]):
            self._remove_first()

    def _remove_first(self) -> None:
        _, payload = self._waiting.popleft()
        self._bytes -= len(payload) + OVERHEAD_BYTES
