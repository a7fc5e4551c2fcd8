"""Payload bytes to events."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.messages import FeatureEvent, RatingEvent

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
        [(0, FeatureEvent(x={'a': 1.0}, y=2.0, id=None))]
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
            return [], [(0, error, payload[:1024])]
        try:
            if payload[:1] == b"[" or payload.lstrip()[:1] == b"[":
                return self._decode_array(payload)
            return self._checked([(0, self._one.decode(payload), payload)], [])
        except (msgspec.DecodeError, RecursionError) as error:
            return [], [(0, _explained(error), payload)]

    def _decode_array(self, payload: bytes) -> tuple[list[tuple[int, Any]], list[Rejected]]:
        events: list[Any] = []
        try:
            events = self._many.decode(payload)
            parts = [(i, event, payload) for i, event in enumerate(events)]
            rejected: list[Rejected] = []
        except (msgspec.ValidationError, RecursionError):
            # One bad event must not cost the others: take the array apart and decode each by itself.
            parts, rejected = [], []
            for i, raw in enumerate(self._split.decode(payload)):
                try:
                    parts.append((i, self._one.decode(raw), bytes(raw)))
                except (msgspec.DecodeError, RecursionError) as error:
                    rejected.append((i, _explained(error), bytes(raw)))
        if len(parts) + len(rejected) > self._events_max:
            too_many = InvalidEventError(
                "too_many_events",
                f"The message has {len(parts) + len(rejected)} events; at most {self._events_max} are taken.",
            )
            return [], [(0, too_many, payload)]
        return self._checked(parts, rejected)

    @staticmethod
    def _checked(
        parts: list[tuple[int, Any, bytes]], rejected: list[Rejected]
    ) -> tuple[list[tuple[int, Any]], list[Rejected]]:
        events = []
        for index, event, payload in parts:
            if event.y is None or -TARGET_MAX < event.y < TARGET_MAX:
                events.append((index, event))
            else:
                error = InvalidEventError(
                    "out_of_range", f"The target must lie within ±{TARGET_MAX:g}. Got {event.y!r} - at `$.y`"
                )
                rejected.append((index, error, payload if len(parts) == 1 else msgspec.json.encode(event)))
        return events, rejected


def _explained(error: Exception) -> InvalidEventError:
    text = str(error)
    if isinstance(error, RecursionError):
        return InvalidEventError("too_deep", "The payload is nested too deeply.")
    if "missing required field" in text:
        return InvalidEventError("missing_field", text)
    if "out of range" in text:
        return InvalidEventError("out_of_range", text)
    if isinstance(error, msgspec.ValidationError):
        return InvalidEventError("wrong_type", re.sub(r"\$\[\.\.\.\]", "$.x[…]", text))
    return InvalidEventError("malformed", text)
