"""Messages that were begun: what an engine keeps of one between two slices, whatever the message holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from edgedescent.engine.messages import (
    DEAD_LETTERS_PER_MESSAGE_MAX,
    DEAD_PAYLOAD_MAX,
    DeadLetter,
    Effect,
    Message,
    Prediction,
    Predictions,
    RecommendedItems,
    RefusedRequest,
)

if TYPE_CHECKING:
    from edgedescent.engine.heads import Heads

_encode = msgspec.json.Encoder().encode


class Handled(NamedTuple):
    """Part of a message that was handled."""

    place: int = -1
    """Place in the message up to which it was handled; -1 if none of it was."""
    redelivered: bool = False
    """True if the message was recognized as sent again."""
    n_kept: int = 0
    """Number of its dead letters that were kept."""

    @classmethod
    def restore(cls, saved: np.ndarray) -> Handled | None:
        """Part that a state holds; None if it was saved between two messages.

        Raises:
            ValueError: If no engine saved it.
        """
        if not len(saved):
            return None
        place, redelivered, n_kept = saved.tolist()
        if place < 0 or redelivered not in (0, 1) or not 0 <= n_kept <= DEAD_LETTERS_PER_MESSAGE_MAX:
            raise ValueError(f"{saved.tolist()} is no part of a message.")
        return cls(place, bool(redelivered), n_kept)


NOT_BEGUN = Handled()
"""Nothing of a message."""
SENT_AGAIN = Handled(redelivered=True)
"""Nothing of a message that was recognized as sent again."""


class BegunMessage(ABC):
    """Message that was begun, with the effects of the part that was handled.

    A subclass handles what one kind of messages holds. Dead letters are all counted, and up to a bound kept.

    Args:
        message: The message.
        done: Part that was handled before.
        counters: Counters of the engine, which are updated.

    Attributes:
        message: The message.
        redelivered: True if the message was recognized as sent again.
        place: Place up to which it was handled; -1 if none of it was.
        n_kept: Number of its dead letters that were kept.
        counters: The counters.
        is_at_bound: True if the last call of `proceed` ended at its bound on the number of events.
        is_array: True if it is answered by an array.
        alarms: Drift alarms that were raised at its events.
    """

    is_at_bound = False
    is_array = False
    alarms: tuple[Effect, ...] = ()

    def __init__(self, message: Message, done: Handled, counters: Counter[str]) -> None:
        self.message = message
        self.place, self.redelivered, self.n_kept = done
        self.counters = counters
        self._answers: list[bytes] = []
        """JSON of the answers, one or more in each."""
        self._dead_letters: list[Effect] = []

    @abstractmethod
    def proceed(self, heads: Heads, events_max: int) -> bool:
        """Handle more of the message; returns True if that was the rest of it.

        Args:
            heads: Predict and learn.
            events_max: Bound on the number of events.
        """

    @property
    def handled(self) -> Handled:
        """Part that was handled so far."""
        return Handled(self.place, self.redelivered, self.n_kept)

    def answer(self, answers: Sequence[Prediction | RecommendedItems | RefusedRequest], *, is_array: bool) -> None:
        """Add answers, of which there is at least one.

        Args:
            answers: The answers.
            is_array: True if the message is answered by an array.
        """
        self.is_array = is_array
        self._answers.append(_encode(answers)[1:-1])

    def add_dead_letter(self, index: int, reason: str, error: str, payload: bytes) -> None:
        """Count a dead letter, and keep it if there is room for it.

        Args:
            index: Place in the message, from 0.
            reason: One of `edgedescent.formats.REASONS`.
            error: What is wrong, in one line.
            payload: What could not be used.
        """
        counters, message = self.counters, self.message
        counters["dead_letters"] += 1
        counters[f"dead_letters.{reason}"] += 1
        if self.n_kept >= DEAD_LETTERS_PER_MESSAGE_MAX:
            counters["dead_letters_unkept"] += 1
            return
        self.n_kept += 1
        self._dead_letters.append(
            DeadLetter(
                position=message.position,
                index=index,
                received_at=message.received_at,
                topic=message.topic,
                reason=reason,
                error=error,
                payload=payload[:DEAD_PAYLOAD_MAX],
            )
        )

    def take_effects(self) -> list[Effect]:
        """Effects since the last call."""
        effects = [*self._dead_letters, *self.alarms]
        if self._answers:
            answers = b",".join(self._answers)
            effects.insert(0, self._to_publish(b"[%b]" % answers if self.is_array else answers))
            self._answers = []
        if self._dead_letters or self.alarms:
            self._dead_letters, self.alarms = [], ()
        return effects

    def _to_publish(self, answers: bytes) -> Effect:
        """Effect that publishes the answers."""
        return Predictions(answers)
