"""Payload bytes to events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from edgedescent.engine.messages import FeatureEvent, RatingEvent, Value
from edgedescent.errors import InvalidEventError
from edgedescent.formats._json_scan import has_more_than

REASONS = (
    "malformed",
    "wrong_type",
    "missing_field",
    "out_of_range",
    "too_large",
    "too_many_events",
    "too_deep",
)
"""Why an event becomes a dead letter."""

Event = FeatureEvent | RatingEvent
Rejected = tuple[int, InvalidEventError, bytes]
Piece = tuple[list[tuple[int, Any]], list[Rejected]]
"""Usable events with their places in the message, and those that are not, each with its error and its bytes."""

TARGET_MAX = 1e100
"""No sensor means a value beyond this, and its square may overflow."""

ELEMENTS_MAX = 17_408
"""An event may have 16,384 features; what is left is for its other fields, and for nests.

An element takes up to fifty times its bytes once it is a Python object. So many are decoded at once, and no more.
"""
PIECE_BYTES = 16_384
"""The events of a larger array are decoded in pieces of so many bytes, which cannot hold more elements than that."""

# What msgspec raises for bytes that are no event. A string that is not UTF-8 is no DecodeError to it.
_UNUSABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _AnyFeatures(msgspec.Struct):
    x: dict[str, msgspec.Raw]


_decode_features = msgspec.json.Decoder(_AnyFeatures).decode
_decode_value = msgspec.json.Decoder(Value).decode


def is_array(payload: bytes) -> bool:
    """Whether a payload holds an array of events rather than one.

    >>> is_array(b' [{"x": {}}]')
    True
    """
    return payload.lstrip().startswith(b"[")


class Decoder:
    """Decodes JSON payloads of one event or an array of events.

    Args:
        takes: what the learner's events hold.
        payload_bytes_max: longer payloads are rejected as ``too_large``.
        events_per_message_max: longer arrays are rejected as ``too_many_events``.

    Example:
        >>> decoder = Decoder("features", payload_bytes_max=1000, events_per_message_max=10)
        >>> [(events, rejected)] = decoder.decode(b'[{"x": {"a": 1}, "y": 2}, {"x": 3}]')
        >>> events
        [(0, FeatureEvent(x={'a': 1}, y=2.0, id=None))]
        >>> [(index, error.reason, str(error)) for index, error, _ in rejected]
        [(1, 'wrong_type', 'Expected `object`, got `int` - at `$.x`')]
    """

    def __init__(
        self, takes: Literal["features", "ratings"], *, payload_bytes_max: int, events_per_message_max: int
    ) -> None:
        event_type: type[Any] = FeatureEvent if takes == "features" else RatingEvent
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(event_type)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[event_type])  # type: ignore[valid-type]
        self._split = msgspec.json.Decoder(list[msgspec.Raw])
        self._payload_bytes_max = payload_bytes_max
        self._events_max = events_per_message_max

    def decode(self, payload: bytes) -> Iterable[Piece]:
        """The events of a message in order, piece by piece, so that a large one does not take as much memory at once.

        Whether a message is refused as a whole is known before its first piece.
        """
        if len(payload) > self._payload_bytes_max:
            text = f"The payload has {len(payload)} bytes; at most {self._payload_bytes_max} are taken."
            return [_refused(InvalidEventError("too_large", text), payload)]
        if not is_array(payload):
            event = self.decode_one(payload)
            return [_refused(event, payload) if isinstance(event, InvalidEventError) else ([(0, event)], [])]
        # An element takes up far more memory than its comma: they are counted first, where there may be too many.
        if payload.count(b",") >= self._events_max and has_more_than(payload, self._events_max):
            text = f"The message has more events than the {self._events_max} that are taken."
            return [_refused(InvalidEventError("too_many_events", text), payload)]
        if not _has_too_many(payload) and (events := self._decode_all(payload)) is not None:
            return [(list(enumerate(events)), [])]
        try:
            # One bad event must not cost the others: take the array apart and decode each by itself.
            parts = self._split.decode(payload)
        except _UNUSABLE as error:
            return [_refused(_explained(error, payload), payload)]
        return self._decode_parts(parts)

    def _decode_parts(self, parts: Sequence[msgspec.Raw]) -> Iterator[Piece]:
        first = size = 0
        for end, part in enumerate(parts):
            if size + len(part) > PIECE_BYTES and end > first:
                yield self._decode_each(range(first, end), parts[first:end])
                first, size = end, 0
            size += len(part)
        if parts:
            yield self._decode_each(range(first, len(parts)), parts[first:])

    def _decode_all(self, payload: bytes) -> list[Any] | None:
        """The events of an array; None where not all are usable."""
        try:
            events: list[Any] = self._many.decode(payload)
        except _UNUSABLE:
            return None
        return events if all(map(_in_range, events)) else None

    def _decode_each(self, indices: Iterable[int], texts: Iterable[msgspec.Raw]) -> Piece:
        events: list[tuple[int, Any]] = []
        rejected: list[Rejected] = []
        for index, text in zip(indices, texts, strict=True):
            event = self.decode_one(text)
            if isinstance(event, InvalidEventError):
                rejected.append((index, event, bytes(text)))
            else:
                events.append((index, event))
        return events, rejected

    def decode_one(self, text: bytes | msgspec.Raw) -> Any:
        """The event of a text, or the InvalidEventError that tells why it is not usable."""
        if _has_too_many(text):
            return InvalidEventError("too_large", f"The event has more than {ELEMENTS_MAX} values, nests and arrays.")
        try:
            event = self._one.decode(text)
        except _UNUSABLE as error:
            return _explained(error, bytes(text))
        if _in_range(event):
            return event
        return InvalidEventError(
            "out_of_range", f"The target must lie within ±{TARGET_MAX:g}. Got {event.y!r} - at `$.y`"
        )


def _refused(error: InvalidEventError, payload: bytes) -> Piece:
    return [], [(0, error, payload)]


def _has_too_many(text: bytes | msgspec.Raw) -> bool:
    # An element has a byte at least.
    return len(text) > ELEMENTS_MAX and has_more_than(text, ELEMENTS_MAX, anywhere=True)


def _in_range(event: Event) -> bool:
    return event.y is None or -TARGET_MAX < event.y < TARGET_MAX


def _explained(error: Exception, payload: bytes) -> InvalidEventError:
    text = str(error)
    if isinstance(error, RecursionError):
        return InvalidEventError("too_deep", "The payload is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        return InvalidEventError("malformed", "JSON is malformed: a string is not UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        return InvalidEventError("malformed", text)
    text = text.replace("$.x[...]", f"$.x.{_bad_feature(payload)}")
    if "missing required field" in text:
        return InvalidEventError("missing_field", text)
    return InvalidEventError("out_of_range" if "out of range" in text else "wrong_type", text)


def _bad_feature(payload: bytes) -> str:
    """The name of the first feature whose value is not usable, which msgspec does not tell."""
    # Further on, the payload may be no JSON at all.
    with suppress(*_UNUSABLE):
        for name, value in _decode_features(payload).x.items():
            try:
                _decode_value(value)
            except _UNUSABLE:
                # It goes into a line of the log, so nothing in it may end that line.
                shown = name if name.isprintable() else repr(name)
                return shown if len(shown) <= 80 else f"{shown[:79]}…"
    return "*"
