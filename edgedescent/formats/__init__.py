"""Payload formats: from the bytes of a message to events. One file each."""

from edgedescent.formats._content_hash import content_hash
from edgedescent.formats.base import REASONS, Format, Piece, Rejected, refused
from edgedescent.formats.decoder import Command, Decoder, DecoderState, Record, StatefulDecoder
from edgedescent.formats.events import Event, FeatureEvent, ItemEvent, RatingEvent, Value
from edgedescent.formats.json import JsonFormat
from edgedescent.registry import Registry

__all__ = [
    "DECODERS",
    "FORMATS",
    "REASONS",
    "Command",
    "Decoder",
    "DecoderState",
    "Event",
    "FeatureEvent",
    "Format",
    "ItemEvent",
    "JsonFormat",
    "Piece",
    "RatingEvent",
    "Record",
    "Rejected",
    "StatefulDecoder",
    "Value",
    "content_hash",
    "refused",
]

FORMATS: Registry[type[Format]] = Registry(
    "payload format", "edgedescent.formats", {"json": "edgedescent.formats:JsonFormat"}, base=Format
)

DECODERS: Registry[type[Decoder]] = Registry(
    "decoder",
    "edgedescent.decoders",
    {
        "json": "edgedescent.formats.json_decoder:JsonDecoder",
        "msgpack": "edgedescent.formats.msgpack:MsgpackDecoder",
        "cbor": "edgedescent.formats.cbor:CborDecoder",
        "csv": "edgedescent.formats.csv:CsvDecoder",
        "scalar": "edgedescent.formats.scalar:ScalarDecoder",
    },
    base=Decoder,
)
"""Decoders of the messages of inputs, by the name that ``format`` of an input gives."""
