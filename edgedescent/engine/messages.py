"""What goes into the engine and what comes out of it."""

from __future__ import annotations

from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it was received: the unit of the journal."""

    position: int
    """Its place in the journal, counted from 1."""
    received_at: float
    """Seconds since 1970, by the clock of whoever received it. The engine knows no other time."""
    topic: str
    payload: bytes
    packet_id: int = 0
    """The broker's number of the message while it is on its way; 0 where it is sent only once (QoS 0)."""
    duplicate: bool = False
    """Whether the broker says that it may have sent it before."""


class Predictions(msgspec.Struct, frozen=True, gc=False):
    """Answers to one message, to be published as they are."""

    payload: bytes


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """An event, or a whole message, that could not be used."""

    position: int
    """The message it came in."""
    index: int
    """Its place in the message's array, 0 where the message is one event."""
    received_at: float
    topic: str
    reason: str
    """A short name to count by, one of `edgedescent.formats.json.REASONS`."""
    error: str
    """What was wrong, for a person."""
    payload: bytes
    """The event as it came, or the beginning of a very long one.

    Of one in an array that only the learner refuses, it may be what was read: without fields that mean nothing here.
    """


Value = float | int | bool | str | dict[str, Any] | None
"""A feature: a number, a category, a nest of further features, or missing."""

Effect = Predictions | DeadLetter
"""What the engine wants done; whoever runs it does it."""


class FeatureEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a learner that takes features: learned where it has a `y`, else only predicted."""

    x: dict[str, Value]
    y: float | bool | None = None
    id: str | int | None = None


class RatingEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of a recommender: learned where it has a `y`, else only predicted."""

    user: str | int
    item: str | int
    y: float | bool | None = None
    id: str | int | None = None


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What is published for one event."""

    prediction: float
    id: str | int | None = None
    y: float | None = None
