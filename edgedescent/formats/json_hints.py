"""Hints for senders that name the fields of an event differently."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from edgedescent.features._text import text_value

_LABELS = ("target", "label", "rating", "Y")
"""Other names for the label `y`. Whoever sends one of these and no `y` wants the event to be learned."""
_KNOWN = {"x", "y", "id"}

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any: Any = msgspec.json.Decoder().decode


def misnamed_label(text: bytes | msgspec.Raw) -> str | None:
    """Name of the field of an event without `y` that holds a number under another name; None if there is none."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        fields = _decode_fields(text)
        for name in _LABELS:
            if name in fields and _is_number(_decode_any(fields[name])):
                return name
    return None


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return isinstance(text_value(value), float)
    return isinstance(value, int | float)


def misplaced_features(text: bytes) -> str:
    """Hint at where the features belong, for an event without `x`; empty if it has no other field."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        for name in _decode_fields(text):
            if name not in _KNOWN:
                shown = name if name.isprintable() and len(name) <= 40 else "…"
                return f' - features belong into `x`, as in {{"x": {{"temp": 20.1}}, "y": 3.2}}, but it has `{shown}`'
    return ""
