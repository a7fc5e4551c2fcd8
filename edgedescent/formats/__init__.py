"""Payload formats: from the bytes of a message to events. One file each."""

from edgedescent.formats._content_hash import content_hash
from edgedescent.formats.base import REASONS, Format, Piece, Rejected, refused
from edgedescent.formats.events import Event, FeatureEvent, RatingEvent, Value
from edgedescent.formats.json import JsonFormat
from edgedescent.registry import Registry

__all__ = [
    "FORMATS",
    "REASONS",
    "Event",
    "FeatureEvent",
    "Format",
    "JsonFormat",
    "Piece",
    "RatingEvent",
    "Rejected",
    "Value",
    "content_hash",
    "refused",
]

FORMATS: Registry[type[Format]] = Registry(
    "payload format", "edgedescent.formats", {"json": "edgedescent.formats:JsonFormat"}, base=Format
)
