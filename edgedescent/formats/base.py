"""Base class of the payload formats, and what they yield."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal, NamedTuple

from edgedescent.errors import InvalidEventError
from edgedescent.formats._cursor import EventCursor, Piece
from edgedescent.formats.events import Event

__all__ = ["REASONS", "Format", "Piece", "Rejected", "refused"]

REASONS = (
    "malformed",
    "wrong_type",
    "missing_field",
    "out_of_range",
    "too_large",
    "too_many_events",
    "too_deep",
    "quarantined",
    "late",
    "no_birth",
    "no_question",
    "second_label",
    "unlabelled",
)
"""Why an event becomes a dead letter: each `InvalidEventError.reason` is one of these, and is counted by it."""


class Rejected(NamedTuple):
    """Event, or whole message, that cannot be used."""

    place: int
    """Place of the event in its message, from 0; 0 for a whole message."""
    error: InvalidEventError
    payload: bytes
    """Bytes of the event, for the dead letter."""


def refused(reason: str, text: str, payload: bytes) -> Piece:
    """The piece of a message that is rejected as a whole.

    Args:
        reason: one of `REASONS`.
        text: what is wrong, for a person.
        payload: the message.
    """
    return Piece([], [Rejected(0, InvalidEventError(reason, text), payload)])


class Format(ABC):
    """Base of the payload formats: from the bytes of a message to its events, and back for one event.

    A subclass implements `decode` and `encode`. It never raises because of what a message holds: what cannot be used
    is yielded as `Rejected`.

    Args:
        input_kind: what the learner's events hold: named features (`FeatureEvent`), or a user and an item
            (`RatingEvent`), with what is said of items between them (`ItemEvent`).
        payload_bytes_max: longer messages are rejected as ``too_large``, before `decode` sees them.
        events_per_message_max: `decode` rejects messages with more events as ``too_many_events``.
        decimal_comma: whether a label such as ``"49,31"`` is a number; the learner decides.
    """

    def __init__(
        self,
        input_kind: Literal["features", "ratings"],
        *,
        payload_bytes_max: int,
        events_per_message_max: int,
        decimal_comma: bool = False,
    ) -> None:
        self.input_kind = input_kind
        self.payload_bytes_max = payload_bytes_max
        self.events_per_message_max = events_per_message_max
        self.decimal_comma = decimal_comma

    def read(self, payload: bytes) -> Iterable[Piece]:
        """Events of a message, piece by piece: `decode` within the bound on bytes."""
        if len(payload) > self.payload_bytes_max:
            text = f"The payload has {len(payload)} bytes; at most {self.payload_bytes_max} are taken."
            return [refused("too_large", text, payload)]
        return self.decode(payload)

    @abstractmethod
    def decode(self, payload: bytes) -> Iterable[Piece]:
        """Events of a message in order, piece by piece, so that a large one is not decoded into memory at once.

        Whether a message is refused as a whole must be known before its first piece.
        """

    @abstractmethod
    def encode(self, event: Event) -> bytes:
        """One event as a message: the payload of a dead letter whose own bytes are not at hand."""

    def count_events(self, payload: bytes) -> int:
        """Number of events of a message, for rate limits; a format that knows a quicker way may be roughly right."""
        return max(sum(len(piece.events) + len(piece.rejected) for piece in self.read(payload)), 1)

    def is_question(self, payload: bytes) -> bool:  # noqa: ARG002
        """True if a message surely holds no label, so that it may be answered before others; must be fast."""
        return False

    def sent_at(self, payload: bytes, field: str) -> float | None:  # noqa: ARG002
        """Time in seconds since 1970 that the first event of a message has in a field; None if it has none."""
        return None

    def reader(self) -> EventCursor | None:
        """Compiled reader of messages, which makes no Python objects; None if the format has none."""
        return None
