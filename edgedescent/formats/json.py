"""The payload format JSON: one event, or an array of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Literal

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.features._text import text_value
from edgedescent.formats._json_reader import JsonReader
from edgedescent.formats._json_scan import count_elements, has_more_than, may_misname_label, with_nulls
from edgedescent.formats.base import Format, Piece, Rejected, refused
from edgedescent.formats.events import Event, FeatureEvent, ItemEvent, RatingEvent, Value
from edgedescent.formats.json_hints import misnamed_label, misplaced_features
from edgedescent.formats.json_repair import Extents, split_array, split_lines, stripped
from edgedescent.formats.times import time_of

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


class _LabelledFeatures(msgspec.Struct):
    """Event of features whose label is a text."""

    x: dict[str, Value]
    y: str
    id: str | int | None = None


class _LabelledRating(msgspec.Struct):
    """Event of a recommender whose rating is a text."""

    user: str | int
    item: str | int
    y: str
    id: str | int | None = None


_NO_USER = "Object missing required field `user`"
"""Error of msgspec for an event of a recommender that has no user."""

_encode = msgspec.json.Encoder().encode
_decode_features = msgspec.json.Decoder(_AnyFeatures).decode
_decode_item = msgspec.json.Decoder(ItemEvent).decode
_check = msgspec.json.Decoder(msgspec.Raw).decode
_decode_any = msgspec.json.Decoder().decode
_decode_value = msgspec.json.Decoder(Value).decode


class JsonFormat(Format):
    """Format of JSON messages: one event, ``{"x": {"temp": 20.1}, "y": 3.2, "id": "a"}``, or an array of them.

    Fields that no event has are ignored. Of two equal keys, the last counts. Lines of JSON are an array. What senders
    write beyond RFC 8259 is read: numbers that are not finite count as missing, and a byte-order mark, and NULs at the
    end, are skipped. Whatever else is malformed in an array costs its event alone.

    Args:
        input_kind: what the learner's events hold.
        payload_bytes_max: longer messages are rejected as ``too_large``.
        events_per_message_max: longer arrays are rejected as ``too_many_events``.
        decimal_comma: whether a label such as ``"49,31"`` is a number.

    Example:
        >>> json_format = JsonFormat("features", payload_bytes_max=1000, events_per_message_max=10)
        >>> [piece] = json_format.read(b'[{"x": {"a": 1}, "y": 2}, {"x": 3}]')
        >>> piece.events
        [(0, FeatureEvent(x={'a': 1}, y=2.0, id=None))]
        >>> [(index, error.reason, str(error)) for index, error, _ in piece.rejected]
        [(1, 'wrong_type', 'Expected `object`, got `int` - at `$.x`')]
    """

    def __init__(
        self,
        input_kind: Literal["features", "ratings"],
        *,
        payload_bytes_max: int,
        events_per_message_max: int,
        decimal_comma: bool = False,
    ) -> None:
        super().__init__(
            input_kind,
            payload_bytes_max=payload_bytes_max,
            events_per_message_max=events_per_message_max,
            decimal_comma=decimal_comma,
        )
        event_type: type[Any] = FeatureEvent if input_kind == "features" else RatingEvent
        self._one: msgspec.json.Decoder[Any] = msgspec.json.Decoder(event_type)
        self._many: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[event_type])  # type: ignore[valid-type]
        labelled: type[Any] = _LabelledFeatures if input_kind == "features" else _LabelledRating
        self._labelled: msgspec.json.Decoder[Any] = msgspec.json.Decoder(labelled)
        self._split = msgspec.json.Decoder(list[msgspec.Raw])

    def encode(self, event: Event) -> bytes:
        """One event as a JSON object."""
        return _encode(event)

    def count_events(self, payload: bytes) -> int:
        """Number of elements of an array, or of lines of JSON, by their commas or beginnings."""
        if len(payload) > self.payload_bytes_max:
            return 1
        text = stripped(payload)
        return count_elements(text) if text.startswith(b"[") else text.count(b"\n{") + 1

    def is_question(self, payload: bytes) -> bool:
        """True if no label is named in a message."""
        # The name may be written with an escape, which nobody does: then a label is learned early.
        return b'"y"' not in payload

    def sent_at(self, payload: bytes, field: str) -> float | None:
        """Time in seconds since 1970 that the first event of a message has in a field; None if it has none.

        It may be a number of seconds or of milliseconds, or text by RFC 3339.
        """
        try:
            found = _decode_any(stripped(payload))
        except _UNUSABLE:
            return None
        event = found[0] if isinstance(found, list) and found else found
        value = event.get(field) if isinstance(event, dict) else None
        return time_of(value)

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
        text = stripped(payload)
        if not text.startswith(b"["):
            event = self.decode_one(text)
            if isinstance(event, InvalidEventError):
                if event.reason == "malformed" and (lines := split_lines(text)) is not None:
                    return self._decode_extents(payload, text, lines)
                return [Piece([], [Rejected(0, event, payload)])]
            return [Piece([(0, event)], [])]
        return self._decode_array(payload, text)

    def _decode_array(self, payload: bytes, text: bytes) -> Iterable[Piece]:
        many = self.events_per_message_max
        # An element takes far more memory than its comma, so elements are counted first if there may be too many.
        if text.count(b",") >= many and has_more_than(text, many):
            return [self._too_many(payload)]
        if not _has_too_many(text) and (events := self._decode_all(text)) is not None:
            return [Piece(list(enumerate(events)), [], is_array=True)]
        try:
            # One bad event must not cost the others: split the array and decode each by itself.
            parts = self._split.decode(text)
        except _UNUSABLE as error:
            return self._decode_damaged(payload, text, error)
        return self._decode_parts(parts)

    def _too_many(self, payload: bytes) -> Piece:
        text = f"The message has more events than the {self.events_per_message_max} that are taken."
        return refused("too_many_events", text, payload)

    def _decode_damaged(self, payload: bytes, text: bytes, error: Exception) -> Iterable[Piece]:
        """Events of an array that is malformed somewhere."""
        extents, end = split_array(text, _is_malformed, self.events_per_message_max)
        if not any(text[start:stop].strip().startswith(b"{") for start, stop in extents):
            return [Piece([], [Rejected(0, _explained(error, payload), payload)])]
        return self._decode_extents(payload, text, extents, end)

    def _decode_extents(self, payload: bytes, text: bytes, extents: Extents, end: int | None = -1) -> Iterable[Piece]:
        """Events of the given parts of a message.

        Args:
            payload: the message.
            text: the same, stripped.
            extents: start and end of each part in the text.
            end: position behind the array, at which the text must end; None if the array has no end, -1 for lines.
        """
        if len(extents) > self.events_per_message_max:
            return [self._too_many(payload)]
        parts = [text[start:stop].strip() for start, stop in extents]
        pieces = self._decode_parts(parts)
        if end is None and _is_broken(parts[-1]):
            # The message was cut within its last event, whose dead letter tells that.
            return pieces
        if end is None:
            rest, problem = b"", "The array of events has no end: events may be missing."
        elif end >= 0 and end < len(text):
            rest, problem = text[end:], "JSON is malformed: trailing characters behind the array"
        else:
            return pieces
        fault = Rejected(len(extents), InvalidEventError("malformed", problem), rest)
        return chain(pieces, [Piece([], [fault], is_array=True)])

    def _decode_parts(self, parts: Sequence[msgspec.Raw | bytes]) -> Iterator[Piece]:
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
        labels = [event.y for event in events]
        if None in labels and may_misname_label(payload):
            return None
        return events if all(y is None or -TARGET_MAX < y < TARGET_MAX for y in labels) else None

    def _decode_each(self, indices: Iterable[int], texts: Iterable[msgspec.Raw | bytes]) -> Piece:
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
            event = self._decode_leniently(text, error)
            if isinstance(event, InvalidEventError):
                return event
        if event.y is None and may_misname_label(bytes(text)) and (name := misnamed_label(text)) is not None:
            return InvalidEventError(
                "missing_field", f"Object missing field `y`, which is the name of the label - `{name}` is none"
            )
        if _in_range(event):
            return event
        return InvalidEventError(
            "out_of_range", f"The target must lie within ±{TARGET_MAX:g}. Got {event.y!r} - at `$.y`"
        )

    def _decode_leniently(self, text: bytes | msgspec.Raw, error: Exception) -> Any:
        """Event whose sender writes numbers otherwise, or the InvalidEventError that tells why it cannot be used."""
        if isinstance(error, msgspec.DecodeError):
            finite = with_nulls(text)
            no_user = str(error) == _NO_USER
            if finite is not None or no_user or _has_label_of_text(error):
                try:
                    if no_user and (event := _item_event(text if finite is None else finite)) is not None:
                        return event
                    return self._decode_label_of_text(text if finite is None else finite)
                except _UNUSABLE as other:
                    return _explained(other, bytes(text))
        return _explained(error, bytes(text))

    def _decode_label_of_text(self, text: bytes | msgspec.Raw) -> Event:
        """Event whose label may be a text that stands for a number, or for none."""
        try:
            event: Event = self._one.decode(text)
        except msgspec.ValidationError as error:
            if not _has_label_of_text(error):
                raise
            labelled = self._labelled.decode(text)
            y = text_value(labelled.y, self.decimal_comma)
            if isinstance(y, str):
                raise
            if isinstance(labelled, _LabelledFeatures):
                return FeatureEvent(labelled.x, y, labelled.id)
            return RatingEvent(labelled.user, labelled.item, y, labelled.id)
        return event


def _item_event(text: bytes | msgspec.Raw) -> ItemEvent | None:
    """Event about an item; None where nothing is said of it.

    Raises:
        msgspec.DecodeError: if something is, and cannot be used.
    """
    event = _decode_item(text)
    return None if event.x is None and event.available is None else event


def _has_label_of_text(error: msgspec.DecodeError) -> bool:
    return str(error).endswith("got `str` - at `$.y`")


def _has_too_many(text: bytes | msgspec.Raw) -> bool:
    # An element has a byte at least.
    return len(text) > ELEMENTS_MAX and has_more_than(text, ELEMENTS_MAX, anywhere=True)


def _is_malformed(text: bytes) -> bool:
    """True for text that is no JSON; where nesting is too deep for a decoder, nobody knows."""
    return _is_broken(text, malformed=msgspec.DecodeError)


def _is_broken(text: bytes, malformed: tuple[type[Exception], ...] | type[Exception] = _UNUSABLE) -> bool:
    """True for text that is no JSON, or cannot be decoded."""
    for candidate in (text, with_nulls(text)):
        try:
            if candidate is not None:
                _check(candidate)
                return False
        except malformed:
            continue
        except _UNUSABLE:
            return False
    return True


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
        hint = misplaced_features(payload) if text.endswith("`x`") else ""
        return InvalidEventError("missing_field", text + hint)
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
