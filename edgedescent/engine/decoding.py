"""Payload bytes to events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.kernels.arrays import has_more_than
from edgedescent.messages import FeatureEvent, RatingEvent, Value

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

TARGET_MAX = 1e100
"""No sensor means a value beyond this, and its square may overflow."""

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
        >>> events, rejected = decoder.decode(b'[{"x": {"a": 1}, "y": 2}, {"x": 3}]')
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

    def decode(self, payload: bytes) -> tuple[list[tuple[int, Any]], list[Rejected]]:
        """The usable events with their places in the message, and those that are not, each with its error."""
        if len(payload) > self._payload_bytes_max:
            error = InvalidEventError(
                "too_large", f"The payload has {len(payload)} bytes; at most {self._payload_bytes_max} are taken."
            )
            return [], [(0, error, payload)]
        array = is_array(payload)
        # An element takes up far more memory than its comma: they are counted first, where there may be too many.
        if array and payload.count(b",") >= self._events_max and has_more_than(payload, self._events_max):
            text = f"The message has more events than the {self._events_max} that are taken."
            return [], [(0, InvalidEventError("too_many_events", text), payload)]
        try:
            if not array:
                event = self._one.decode(payload)
                return ([(0, event)], []) if _in_range(event) else self._decode_each([payload])
            events = self._decode_all(payload)
            # One bad event must not cost the others: take the array apart and decode each by itself.
            parts = self._split.decode(payload) if events is None else []
        except _UNUSABLE as error:
            return [], [(0, _explained(error, payload), payload)]
        return self._decode_each(parts) if events is None else (list(enumerate(events)), [])

    def _decode_all(self, payload: bytes) -> list[Any] | None:
        """The events of an array; None where not all are usable."""
        try:
            events: list[Any] = self._many.decode(payload)
        except _UNUSABLE:
            return None
        return events if all(map(_in_range, events)) else None

    def _decode_each(self, parts: Sequence[bytes | msgspec.Raw]) -> tuple[list[tuple[int, Any]], list[Rejected]]:
        events, rejected = [], []
        for index, part in enumerate(parts):
            try:
                event = self._one.decode(part)
            except _UNUSABLE as error:
                rejected.append((index, _explained(error, bytes(part)), bytes(part)))
            else:
                if _in_range(event):
                    events.append((index, event))
                else:
                    text = f"The target must lie within ±{TARGET_MAX:g}. Got {event.y!r} - at `$.y`"
                    rejected.append((index, InvalidEventError("out_of_range", text), bytes(part)))
        return events, rejected


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
