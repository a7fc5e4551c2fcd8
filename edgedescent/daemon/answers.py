"""Answers on their way out, and those that wait for a connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OVERHEAD_BYTES = 200
"""What an answer takes in memory beside its content."""


class Answers:
    """Sends answers in order. Where one cannot be sent, it waits, and those behind it; the oldest make room.

    Args:
        publish: sends one; False where it cannot be sent now.
        bytes_max: how many bytes may wait.

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
        """How many had to make room."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first_waiting(self) -> int | None:
        """The position of the oldest that waits."""
        return self._waiting[0][0] if self._waiting else None

    def send(self, position: int, payload: bytes) -> None:
        """Send the answer to a message, or let it wait."""
        if self._waiting or not self._publish(payload):
            self.keep(position, payload)

    def keep(self, position: int, payload: bytes) -> None:
        """Let an answer wait."""
        self._waiting.append((position, payload))
        self._bytes += len(payload) + OVERHEAD_BYTES
        while self._bytes > self._bytes_max:
            self._forget_first()
            self.dropped += 1

    def send_waiting(self) -> None:
        """Send what waits, as far as that is possible."""
        while self._waiting and self._publish(self._waiting[0][1]):
            self._forget_first()

    def _forget_first(self) -> None:
        _, payload = self._waiting.popleft()
        self._bytes -= len(payload) + OVERHEAD_BYTES
