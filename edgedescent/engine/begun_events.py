"""Messages of whole events that were begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from edgedescent.engine.begun import BegunMessage, Handled
from edgedescent.engine.messages import Message, Prediction
from edgedescent.formats import Piece
from edgedescent.formats._cursor import EventCursor

if TYPE_CHECKING:
    from edgedescent.engine.heads import Heads

_place = attrgetter("place")


class BegunEvents(BegunMessage):
    """Message of whole events that was begun: some events of a piece are left, or further pieces.

    Args:
        message: The message.
        done: Part that was handled before.
        counters: Counters of the engine, which are updated.
        pieces: Pieces of the rest of it.
    """

    def __init__(self, message: Message, done: Handled, counters: Counter[str], pieces: Iterator[EventCursor]) -> None:
        super().__init__(message, done, counters)
        self._pieces = pieces
        self._events: EventCursor | None = None
        """Piece of which events are left."""

    def proceed(self, heads: Heads, events_max: int) -> bool:
        """Predict and learn further events of one piece; returns True if the message is at its end.

        Args:
            heads: Predict and learn.
            events_max: Bound on the number of events.
        """
        if self._events is None:
            self._events = next(self._pieces, None)
        if self._events is None:
            return True
        loop = heads.first.loop
        answers = loop.run(self._events, self.message, self.redelivered, events_max)
        return self.add(self._events, answers, at_bound=not loop.left)

    def add(self, events: EventCursor, answers: list[Prediction], *, at_bound: bool) -> bool:
        """Add what a run of the loop over a piece gave; returns True if the message is at its end.

        Args:
            events: The piece.
            answers: Answers to its events.
            at_bound: True if the run ended at its bound, so that events of the piece may be left.
        """
        self.is_at_bound = at_bound
        if answers:
            self.answer(answers, is_array=events.is_array)
        # An empty piece has no place.
        self.place = max(self.place, events.index)
        if events.rejected:
            self._add_dead_letters(events, at_bound=at_bound)
        # The next piece belongs to this slice, and its events to the next one: pieces take long to decode.
        self._events = events if at_bound else next(self._pieces, None)
        return self._events is None

    def _add_dead_letters(self, events: EventCursor, *, at_bound: bool) -> None:
        """Add the rejected events of a piece: all of them, or those up to the place at hand."""
        rejected = sorted(events.rejected, key=_place)
        if not at_bound:
            self.place = max(self.place, rejected[-1].place)
        if self.redelivered:
            return
        events.rejected[:] = [fault for fault in rejected if fault.place > self.place]
        for place, error, payload in rejected[: len(rejected) - len(events.rejected)]:
            self.add_dead_letter(place, error.reason, str(error), payload)


def behind(piece: Piece, place: int) -> Piece:
    """Part of a piece behind a place in the message."""
    events = [pair for pair in piece.events if pair[0] > place]
    return Piece(events, [fault for fault in piece.rejected if fault.place > place], piece.is_array)
