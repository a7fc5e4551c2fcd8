"""Queue of answers (predictions and recommended items), which wait while there is no connection."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

log = logging.getLogger(__name__)

HOLD_MAX_S = 10.0
"""Time for which a broker may take no answer before learning goes on without it."""
OVERHEAD_BYTES = 200
"""Memory that a waiting answer takes in addition to its payload."""
BATCH_BYTES = 65_536
"""Size from which on a batch of answers is published before its end."""
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Destination(NamedTuple):
    """Destination of an answer."""

    topic: str
    retain: bool = False
    """True for an answer that the broker gives to later subscribers too."""
    correlation: bytes = b""
    """Correlation data of the request."""
    is_whole: bool = False
    """True for an answer that cannot be split."""


class _Waiting(NamedTuple):
    """Answer that waits."""

    position: int
    payload: bytes
    held: bool
    to: Destination


class Answers:
    """Publishes answers in order and in batches, and keeps those that cannot be sent yet in a bounded queue.

    Where half of the queue is used while there is a connection, learning should wait (`AnswerHold`). Beyond its bound,
    the oldest answers are dropped. An answer that is larger than the broker takes is split into several arrays; a
    single one that is too large is dropped.

    Args:
        publish: Sends answers to their destination; returns the number of those that can be sent now, the first ones.
        bytes_max: Size limit of the queue in bytes.

    Attributes:
        payload_bytes_max: Largest payload that the broker takes.
        is_full: True if so many wait that no more should be made: half of the queue is for those that are under way.
        sent: Number of answers that waited and were sent.
        dropped: Number of answers dropped because the queue was full.
        split: Number of answers that were split.
        too_large: Number of answers to single events dropped because the broker does not take them.

    Example:
        >>> out: list[bytes] = []
        >>> def publish(payloads: Sequence[bytes], to: Destination) -> int:
        ...     out.extend(payloads[:1])
        ...     return 1
        >>> answers = Answers(publish, bytes_max=250)
        >>> for position in (1, 2, 3):
        ...     answers.send(position, b"%d" % position, Destination("predictions"))
        >>> answers.flush()
        >>> out, answers.first_waiting, answers.dropped
        ([b'1'], 3, 1)
    """

    def __init__(self, publish: Callable[[Sequence[bytes], Destination], int], bytes_max: int) -> None:
        self._publish = publish
        self._bytes_max = bytes_max
        self._batch: list[bytes] = []
        """Answers of the batch at hand, which go to the same destination."""
        self._batch_positions: list[int] = []
        """Positions of their messages."""
        self._batch_bytes = 0
        self._to = Destination("")
        """Destination of the batch."""
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self.payload_bytes_max = sys.maxsize
        self.is_full = False
        self.sent = 0
        self.dropped = 0
        self.split = 0
        self.too_large = 0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._batch)

    @property
    def is_low(self) -> bool:
        """True if there is room for many more."""
        return self._bytes * 4 < self._bytes_max

    @property
    def first_waiting(self) -> int | None:
        """Position of the oldest answer that is not published; None if all are."""
        if self._waiting:
            return self._waiting[0].position
        return self._batch_positions[0] if self._batch else None

    def send(self, position: int, payload: bytes, to: Destination, *, held: bool = False) -> None:
        """Send an answer with the next `flush`, or queue it if others wait.

        Args:
            position: Position of the message that is answered.
            payload: The answer.
            to: Where it goes.
            held: True to send it only after its message was acknowledged.
        """
        if len(payload) > self.payload_bytes_max:
            for part in self._parts(payload, to):
                self.send(position, part, to, held=held)
            return
        if held or (to is not self._to and to != self._to):
            self.flush()
            self._to = to
        if held or self._waiting:
            self.keep(position, payload, to, held=held)
            return
        self._batch.append(payload)
        self._batch_positions.append(position)
        self._batch_bytes += len(payload)
        if self._batch_bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Publish the batch, and queue what cannot be sent now."""
        if not self._batch:
            return
        batch, positions = self._batch, self._batch_positions
        self._batch, self._batch_positions, self._batch_bytes = [], [], 0
        n_sent = self._publish(batch, self._to)
        for position, payload in zip(positions[n_sent:], batch[n_sent:], strict=True):
            self.keep(position, payload, self._to)

    def keep(self, position: int, payload: bytes, to: Destination, *, held: bool = False) -> None:
        """Queue an answer without trying to send it."""
        one = _Waiting(position, payload, held, to)
        self._waiting.append(one)
        self._bytes += _size(one)
        while self._bytes > self._bytes_max:
            self._remove_first()
            self.dropped += 1
        self.is_full = self._bytes * 2 >= self._bytes_max > 0

    def send_waiting(self, acknowledged: int) -> None:
        """Send waiting answers until the queue is empty or one cannot be sent.

        Args:
            acknowledged: Position up to which messages were acknowledged.
        """
        while self._waiting and not (self._waiting[0].held and self._waiting[0].position > acknowledged):
            first = self._waiting[0]
            if len(first.payload) > self.payload_bytes_max:
                self._split_first()
            elif self._publish((first.payload,), first.to):
                self._remove_first()
                self.sent += 1
            else:
                return

    def _split_first(self) -> None:
        """Replace the first answer by parts of it that the broker takes."""
        first = self._waiting[0]
        self._remove_first()
        parts = [first._replace(payload=part) for part in self._parts(first.payload, first.to)]
        self._waiting.extendleft(reversed(parts))
        self._bytes += sum(map(_size, parts))

    def _parts(self, payload: bytes, to: Destination) -> list[bytes]:
        """Arrays of the answers of an array, each as long as the broker takes."""
        if to.is_whole or not payload.startswith(b"["):
            self.too_large += 1
            return []
        self.split += 1
        parts: list[list[bytes]] = [[]]
        room = self.payload_bytes_max - 2
        left = room
        for answer in map(bytes, _split(payload)):
            if len(answer) > room:
                self.too_large += 1
                continue
            if len(answer) > left:
                parts.append([])
                left = room
            parts[-1].append(answer)
            left -= len(answer) + 1
        return [b"[%b]" % b",".join(part) for part in parts if part]

    def _remove_first(self) -> None:
        self._bytes -= _size(self._waiting.popleft())
        self.is_full = self._bytes * 2 >= self._bytes_max > 0


def _size(one: _Waiting) -> int:
    """Memory that a waiting answer takes."""
    # Only the topic of a single answer is not shared with all others.
    topic = len(one.to.topic) if one.to.is_whole else 0
    return len(one.payload) + len(one.to.correlation) + topic + OVERHEAD_BYTES


class AnswerHold:
    """Pause of the learning while answers cannot be sent as fast as they are made.

    A broker that takes none for `HOLD_MAX_S` does not stop the device for ever: learning goes on, and the oldest
    answers are dropped, until the broker takes one again.

    Args:
        answers: The queue.

    Attributes:
        given_up: True while learning goes on without a broker that takes answers.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._on = False
        self._sent = 0
        self._since = 0.0
        """Time at which it began, or an answer was last sent in it."""
        self.given_up = False

    def is_on(self, now: float) -> bool:
        """True if learning has to wait.

        Args:
            now: Time of the monotonic clock.
        """
        answers = self._answers
        if self._on and answers.is_low:
            self._on = self.given_up = False
        elif not self._on and answers.is_full:
            self._on, self._sent, self._since = True, answers.sent, now
        if not self._on:
            return False
        if answers.sent != self._sent:
            self._sent, self._since, self.given_up = answers.sent, now, False
        elif now - self._since >= HOLD_MAX_S and not self.given_up:
            self.given_up = True
            log.warning(
                "The broker has taken no answer for %g s: learning goes on, and the oldest of %d waiting answers are "
                "dropped.",
                HOLD_MAX_S,
                len(answers),
            )
        return not self.given_up
