"""Messages, the engine's input, and effects, its output."""

from __future__ import annotations

import msgspec

from edgedescent.formats.decoder import Command

POSITION_MAX = 2**63 - 1
"""Largest position of a message: that of the state file's integers."""
DEAD_LETTERS_PER_MESSAGE_MAX = 100
"""Bound on the dead letters of one message: further ones are counted, also as ``dead_letters_unkept``, but not kept."""
DEAD_PAYLOAD_MAX = 16_384
"""Bound on the payload of a dead letter, so that a flood of large ones cannot fill the disk."""


class Connection(msgspec.Struct, frozen=True, gc=False):
    """Connection over which messages came, as its first message carries it: it decides what counts as sent again."""

    session: int
    """Number of the broker's session. In a new one nothing from before is sent again."""
    acknowledged: int = 0
    """Position up to which the broker is known to have the acknowledgements of the connection before."""
    first_id: int = 0
    """First packet id. Brokers that begin each connection with 1 number anew what they send again."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message as it was received: the unit of the journal."""

    position: int
    """Position in the journal, from 1."""
    received_at: float
    """Unix time in seconds at which it was received. The engine has no other clock."""
    topic: str
    payload: bytes
    packet_id: int = 0
    """MQTT packet identifier; 0 at QoS 0, where a message is sent only once."""
    duplicate: bool = False
    """MQTT's DUP flag: the broker may have sent it before."""
    connection: Connection | None = None
    """The connection, at its first message."""
    subscriptions: tuple[int, ...] = ()
    """Identifiers of the subscriptions for which the broker sent it: it may send a copy for each."""
    response_topic: str = ""
    """Topic to which the sender of a request wants the answer (MQTT 5); empty if it names none."""
    correlation: bytes = b""
    """Correlation data of the request, which go with the answer."""


def tick(position: int, received_at: float) -> Message:
    """Message that only moves the time of an assembler on, where a timeout is due and nothing comes.

    Its topic is empty, as no published one is. It is journaled like any other, so that what follows from it can be
    repeated.

    Args:
        position: Its position in the journal.
        received_at: Time at which it was made.
    """
    return Message(position, received_at, "", b"")


class Predictions(msgspec.Struct, frozen=True, gc=False):
    """Answers to the events of one message, as JSON to publish."""

    payload: bytes


class Recommendations(msgspec.Struct, frozen=True, gc=False):
    """Recommended items as JSON to publish: the answer to a request, or what follows from learned events."""

    payload: bytes
    response_topic: str = ""
    """Topic that the request names; the configured one where it is empty."""
    correlation: bytes = b""
    """Correlation data of the request."""
    user: str = ""
    """User on whose own topic the list is retained; the configured topic for all where it is empty."""


class DriftAlarm(msgspec.Struct, frozen=True, gc=False):
    """Change that was found in the prediction error or in an input, as JSON to publish: `edgedescent.drift.Alarm`."""

    payload: bytes


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """Event, or whole message, that could not be used."""

    position: int
    """Position of its message."""
    index: int
    """Place in its message's array, from 0; 0 if the message is one event."""
    received_at: float
    topic: str
    reason: str
    """One of `edgedescent.formats.REASONS`, by which it is counted."""
    error: str
    """Description of the fault, for a person."""
    payload: bytes
    """Bytes of the event, or the start of a very long one.

    An event of an array that only the learner refuses is encoded again, without fields that no event has.
    """


Effect = Predictions | DeadLetter | DriftAlarm | Recommendations | Command
"""Output of the engine, for its caller to carry out."""


class Prediction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Answer to one event."""

    prediction: float
    id: str | int | None = None
    y: float | None = None
    low: float | None = None
    """Lower bound of the prediction interval, where one was asked for and errors are known."""
    high: float | None = None
    time: float | None = None
    """Time that the prediction is about, in seconds since 1970, where the event was assembled from inputs."""
    key: str | None = None
    """Key of the event, where it was assembled from inputs that have one."""
    horizon_s: float | None = None
    """Horizon of the forecast, where there are several."""


class RecommendedItems(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """List of items for a user."""

    user: str | int
    items: list[str]
    """Item ids, the best first."""
    id: str | int | None = None
    """Id of the request, or of the event that it follows from."""
    attributes: list[msgspec.Raw | None] | None = None
    """Attributes of the items, in their order, where they are wanted."""
    reasons: list[list[str]] | None = None
    """Items of the user because of which each item is recommended, where they are wanted."""


class RefusedRequest(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Answer to a request that cannot be used."""

    error: str
    """Reason of the refusal, in one line."""
    id: str | int | None = None
