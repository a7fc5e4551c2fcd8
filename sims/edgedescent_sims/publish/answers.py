"""Answers of a device to published events, put together as scored batches in the order of the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgedescent.engine.messages import Prediction
from edgedescent_sims.simulate.progressive import Repeats, Scored
from edgedescent_sims.sources.batch import Batch

_decode_one = msgspec.json.Decoder(Prediction).decode
_decode_many = msgspec.json.Decoder(list[Prediction]).decode

_Key = tuple[int, bool]
"""Number of an event, and whether it was a question."""


@dataclass(slots=True, eq=False)
class _Part:
    """Scored events of one batch, whose answers arrive one by one.

    Args:
        scored: The events; predictions that have not arrived are NaN.
        answered: Which of them have arrived.
        waiting: Number of those that have not.
    """

    scored: Scored
    answered: NDArray[np.bool_]
    waiting: int


@dataclass(slots=True, eq=False)
class _Awaited:
    """Answer that is awaited.

    Args:
        place: Place of the message among those published, from 1.
        part: Batch in which it is scored; None where it is not.
        row: Row in that batch.
        is_there: True once it has arrived.
    """

    place: int
    part: _Part | None
    row: int
    is_there: bool = False


class AnswerBook:
    """Assigns the answers of a device to the events that were published to it.

    The rules are those of a run in memory (see `edgedescent_sims.simulate.progressive.Repeats`): a message that repeats
    a learned event gets no answer, and the first answer to an event is the one that is scored, against its target.
    Answers that come twice, as they may after a lost connection, are recognized and counted.

    Args:
        id_prefix: Text before the number in the ids of the events.

    Attributes:
        n_expected: Number of messages published so far that a device answers.
        n_labelled: Number of those with a label.
        n_answered: Number of answers to them so far.
        duplicates: Number of answers that came again.
        others: Number of answers to events of somebody else.

    Example:
        >>> book = AnswerBook("a-")
        >>> batch = Batch.of({"x": np.array([1.0, 2.0])}, np.array([3.0, 4.0]))
        >>> for is_answered in book.open(batch):
        ...     book.sent(is_answered)
        >>> book.receive(b'{"prediction":0.5,"id":"a-1","y":3.0}')
        >>> book.receive(b'{"prediction":0.75,"id":"a-2","y":4.0}')
        >>> [scored.prediction.tolist() for scored in book.complete()]
        [[0.5, 0.75]]
    """

    def __init__(self, id_prefix: str) -> None:
        self.n_expected = self.n_labelled = self.n_answered = self.duplicates = self.others = 0
        self._prefix = id_prefix
        self._repeats = Repeats()
        self._n_sent = 0
        self._parts: deque[_Part] = deque()
        self._waiting: dict[_Key, deque[_Awaited]] = {}
        self._in_order: deque[_Awaited] = deque()
        self._next: tuple[_Key, _Part | None, int] | None = None

    @property
    def n_unanswered(self) -> int:
        """Number of messages that wait for an answer."""
        return self.n_expected - self.n_answered

    @property
    def n_ahead(self) -> int:
        """Number of messages that were published since the oldest one that waits for an answer, that one included."""
        while self._in_order and self._in_order[0].is_there:
            self._in_order.popleft()
        return self._n_sent - self._in_order[0].place + 1 if self._in_order else 0

    def open(self, batch: Batch) -> Iterator[bool]:
        """Yield for each event of a batch, in order, whether its message is answered; call `sent` after publishing it.

        Args:
            batch: The next events of the stream.
        """
        keep, first = self._repeats.masks(batch)
        part = None
        if first.any():
            scored = batch.take(first)
            n = len(scored)
            part = _Part(
                Scored(scored.number, scored.target, np.full(n, np.nan), scored.optimum), np.zeros(n, dtype=bool), n
            )
            self._parts.append(part)
        row = 0
        rows = zip(batch.number.tolist(), np.isnan(batch.y).tolist(), keep.tolist(), first.tolist(), strict=True)
        for number, is_question, is_kept, is_first in rows:
            self._next = ((number, is_question), part if is_first else None, row)
            row += is_first
            yield is_kept

    def sent(self, is_answered: bool) -> None:
        """Note that the event of the latest `open` step was published.

        Args:
            is_answered: What `open` yielded.
        """
        assert self._next is not None  # noqa: S101 - `open` comes first
        key, part, row = self._next
        self._n_sent += 1
        if is_answered:
            awaited = _Awaited(self._n_sent, part, row)
            self._waiting.setdefault(key, deque()).append(awaited)
            self._in_order.append(awaited)
            self.n_expected += 1
            self.n_labelled += not key[1]

    def receive(self, payload: bytes) -> None:
        """Assign a message of predictions.

        Raises:
            msgspec.DecodeError: If it is none.
        """
        for answer in _decode_many(payload) if payload.startswith(b"[") else (_decode_one(payload),):
            number = self._number_of(answer.id)
            if number is None:
                self.others += 1
                continue
            key = (number, answer.y is None)
            waiting = self._waiting.get(key)
            if waiting is None:
                self.duplicates += 1
                continue
            awaited = waiting.popleft()
            awaited.is_there = True
            if not waiting:
                del self._waiting[key]
            self.n_answered += 1
            if (part := awaited.part) is not None:
                part.scored.prediction[awaited.row] = answer.prediction
                part.answered[awaited.row] = True
                part.waiting -= 1

    def _number_of(self, answer_id: str | int | None) -> int | None:
        """Number of an event by its id; None if it is none of this stream."""
        if not isinstance(answer_id, str) or not answer_id.startswith(self._prefix):
            return None
        rest = answer_id[len(self._prefix) :]
        return int(rest) if rest.isascii() and rest.isdigit() else None

    def complete(self) -> Iterator[Scored]:
        """Yield the batches whose events are all answered, in the order of the stream, each once."""
        while self._parts and not self._parts[0].waiting:
            yield self._parts.popleft().scored

    def rest(self) -> Iterator[Scored]:
        """Yield what is answered of the remaining batches, once no further answer is awaited."""
        while self._parts:
            part = self._parts.popleft()
            scored, there = part.scored, part.answered
            yield Scored(scored.number[there], scored.target[there], scored.prediction[there], scored.optimum[there])
