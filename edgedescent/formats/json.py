"""The payload format JSON: one event, or an array of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.formats._json_reader import JsonReader
from edgedescent.formats._json_scan import has_more_than
from edgedescent.formats.base import Format, Piece, Rejected, refused
from edgedescent.formats.events import Event, FeatureEvent, RatingEvent, Value

TARGET_MAX = 1e100
"""Targets must be smaller than this: no sensor means such a value, and its square may overflow."""

ELEMENTS_MAX = 17_408
"""Bound on the values, arrays and objects that are decoded at once: each takes up to fifty times its bytes then.

An event may have 16,384 features; the rest is for its other fields and for nested objects.
"""
PIECE_BYTES = 16_384
"""Size of the pieces in which a larger array is decoded: they cannot hold more than `ELEMENTS_MAX`."""

# Errors that msgspec raises for unusable bytes. Before version 0.23, the one for a string that is not UTF-8 is no
# DecodeError.
_UNUSABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _AnyFeatures(msgspec.Struct):
    x: dict[str, msgspec.Raw]


_encode = msgspec.json.Encoder().encode
_decode_features = msgspec.json.Decoder(_AnyFeatures).decode
_decode_value = msgspec.json.Decoder(Value).decode


class JsonFormat(Format):
    """Format of JSON messages: one event, ``{"x": {"temp": 20.1}, "y": 3.2, "id": "a"}``, or an array of them.

    Fields that no event has are ignored. Of two equal keys, the last counts.

    Args:
        input_kind: what the learner's events hold.
        payload_bytes_max: longer messages are rejected as ``too_large``.
        events_per_message_max: longer arrays are rejected as ``too_many_events``.

    Example:
        >>> json_format = JsonFormat("features", payload_bytes_max=1000, events_per_message_max=10)
        >>> [piece] = json_format.read(b'[{"x": {"a": 1}, "y": 2}, {"x": 3}]')
        >>> piece.events
        [(0, FeatureEvent(x={'a': 1}, y=2.0, id=None))]
        >>> [(index, error.reason, str(error)) for index, error, _ in piece.rejected]
        [(1, 'wrong_type', 'Expected `object`, got `int` - at `$.x`')]
    """

    def __init__(
        self, input_kind: Literal["features", "ratings"], *, payload_bytes_max: int, events_per_message_max: int
    ) -> None:
        super().__init__(input_kind, payload_bytes_max=payload_bytes_max, events_per_message_max=events_per_message_max)
        event_type: type[Any] = FeatureEvent if input_kind == "features" else RatingEvent
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(event_type)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[event_type])  # type: ignore[valid-type]
        self._split = msgspec.json.Decoder(list[msgspec.Raw])

    def encode(self, event: Event) -> bytes:
        """One event as a JSON object."""
        return _encode(event)

    def reader(self) -> JsonReader | None:
        """Compiled reader of messages whose events are simple."""
        # Events of a recommender hold text.
        if self.input_kind != "features":
            return None
        return JsonReader(self, self.payload_bytes_max, self.events_per_message_max)

    def decode(self, payload: bytes) -> Iterable[Piece]:
        """Events of a message in order, piece by piece, so that a large one is not decoded into memory at once.

        Whether a message is refused as a whole is known before its first piece.
        """
        if not payload.lstrip().startswith(b"["):
            event = self.decode_one(payload)
            if isinstance(event, InvalidEventError):
                return [Piece([], [Rejected(0, event, payload)])]
            return [Piece([(0, event)], [])]
        many = self.events_per_message_max
        # An element takes far more memory than its comma, so elements are counted first if there may be too many.
        if payload.count(b",") >= many and has_more_than(payload, many):
            text = f"The message has more events than the {many} that are taken."
            return [refused("too_many_events", text, payload)]
        if not _has_too_many(payload) and (events := self._decode_all(payload)) is not None:
            return [Piece(list(enumerate(events)), [], is_array=True)]
        try:
            # One bad event must not cost the others: split the array and decode each by itself.
            parts = self._split.decode(payload)
        except _UNUSABLE as error:
            return [Piece([], [Rejected(0, _explained(error, payload), payload)])]
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
        """Events of an array; None if not all of them are usable."""
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
                rejected.append(Rejected(index, event, bytes(text)))
            else:
                events.append((index, event))
        return Piece(events, rejected, is_array=True)

    def decode_one(self, text: bytes | msgspec.Raw) -> Any:
        """Event of a JSON object, or the InvalidEventError that tells why it cannot be used."""
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


def _has_too_many(text: bytes | msgspec.Raw) -> bool:
    # An element has a byte at least.
    return len(text) > ELEMENTS_MAX and has_more_than(text, ELEMENTS_MAX, anywhere=True)


def _in_range(event: Event) -> bool:
    return event.y is None or -TARGET_MAX < event.y < TARGET_MAX


def _explained(error: Exception, payload: bytes) -> InvalidEventError:
    text = str(error)
    if isinstance(error, RecursionError):
        return InvalidEventError("too_deep", "The payload is nested too deeply.")
    if isinstance(error, UnicodeDecodeError) or text.startswith("Invalid UTF-8"):
        return InvalidEventError("malformed", "JSON is malformed: a string is not UTF-8")
    if not isinstance(error, msgspec.ValidationError):
        return InvalidEventError("malformed", text)
    text = text.replace("$.x[...]", f"$.x.{_bad_feature(payload)}")
    if "missing required field" in text:
        return InvalidEventError("missing_field", text)
    return InvalidEventError("out_of_range" if "out of range" in text else "wrong_type", text)


def _bad_feature(payload: bytes) -> str:
    """Name of the first feature whose value cannot be used, which msgspec does not tell."""
    # Behind it, the payload may be malformed.
    with suppress(*_UNUSABLE):
        for name, value in _decode_features(payload).x.items():
            try:
                _decode_value(value)
            except _UNUSABLE:
                # It is written to a line of the log, so it must not break that line.
                shown = name if name.isprintable() else repr(name)
                return shown if len(shown) <= 80 else f"{shown[:79]}…"
    return "*"
