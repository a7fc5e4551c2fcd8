"""A message of which some events are handled and others are left: what an engine keeps of it between two slices."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions, RecommendedItems
from edgedescent.formats import Piece
from edgedescent.formats._cursor import EventCursor

DEAD_LETTERS_PER_MESSAGE_MAX = 100
"""Bound on the dead letters of one message: further ones are counted, also as ``dead_letters_unkept``, but not kept."""
DEAD_PAYLOAD_MAX = 16_384
"""Bound on the payload of a dead letter, so that a flood of large ones cannot fill the disk."""


class Handled(NamedTuple):
    """Part of a message that was handled."""

    place: int
    """Place in the message of the last event that was handled."""
    redelivered: bool
    """True if the message was recognized as sent again."""
    n_kept: int
    """Number of its dead letters that were kept."""

    @classmethod
    def restore(cls, saved: np.ndarray) -> Handled | None:
        """Part that a state holds; None if it was saved between two messages.

        Raises:
            ValueError: if no engine saved it.
        """
        if not len(saved):
            return None
        place, redelivered, n_kept = saved.tolist()
        if place < 0 or redelivered not in (0, 1) or not 0 <= n_kept <= DEAD_LETTERS_PER_MESSAGE_MAX:
            raise ValueError(f"{saved.tolist()} is no part of a message.")
        return cls(place, bool(redelivered), n_kept)


class Unfinished:
    """Message of which events are left, with the effects of those before.

    Args:
        message: the message.
        redelivered: True if it is known as one that was sent again.
        pieces: its pieces that were not begun.
        n_kept: number of its dead letters that were kept before.
    """

    __slots__ = (
        "alarms",
        "answers",
        "dead_letters",
        "events",
        "is_array",
        "lists",
        "message",
        "n_kept",
        "pieces",
        "redelivered",
    )

    def __init__(self, message: Message, redelivered: bool, pieces: Iterator[EventCursor], n_kept: int = 0) -> None:
        self.message = message
        self.redelivered = redelivered
        self.pieces = pieces
        self.n_kept = n_kept
        self.events: EventCursor | None = None
        """Piece that was begun."""
        self.answers: list[bytes] = []
        self.dead_letters: list[Effect] = []
        self.alarms: list[Effect] = []
        self.lists: list[RecommendedItems] = []
        """Recommended items after its events."""
        self.is_array = False

    def effects(self) -> list[Effect]:
        """Effects so far, but for the lists."""
        if not self.answers:
            return [*self.dead_letters, *self.alarms]
        answers = b"[%b]" % b",".join(self.answers) if self.is_array else self.answers[0]
        return [Predictions(answers), *self.dead_letters, *self.alarms]

    def clear(self) -> None:
        """Forget the effects so far, which were handed over."""
        self.answers.clear()
        self.dead_letters.clear()
        self.alarms.clear()
        self.lists.clear()

    def add_dead_letters(self, events: EventCursor, place: int, counters: Counter[str]) -> None:
        """Count the rejected events of a piece up to a place, and add their dead letters to those of earlier ones."""
        rejected = sorted(events.rejected, key=itemgetter(0))
        n = bisect_right(rejected, place, key=itemgetter(0))
        events.rejected[:] = rejected[n:]
        del rejected[n:]
        counters["dead_letters"] += len(rejected)
        for _, error, _ in rejected:
            counters[f"dead_letters.{error.reason}"] += 1
        room = DEAD_LETTERS_PER_MESSAGE_MAX - self.n_kept
        if len(rejected) > room:
            counters["dead_letters_unkept"] += len(rejected) - room
        self.n_kept += min(len(rejected), room)
        message = self.message
        self.dead_letters += [
            DeadLetter(
                position=message.position,
                index=index,
                received_at=message.received_at,
                topic=message.topic,
                reason=error.reason,
                error=str(error),
                payload=payload[:DEAD_PAYLOAD_MAX],
            )
            for index, error, payload in rejected[:room]
        ]


def behind(piece: Piece, place: int) -> Piece:
    """Part of a piece behind a place in the message."""
    events = [pair for pair in piece.events if pair[0] > place]
    return Piece(events, [fault for fault in piece.rejected if fault.place > place], piece.is_array)
