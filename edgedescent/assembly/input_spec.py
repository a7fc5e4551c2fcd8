"""Table of an input: which topics are read, how their payloads are decoded, and which features their values are."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=1e9)]


class InputSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table ``[inputs.<name>]``: the messages of some topics, and the features that they hold."""

    topics: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Topic filters. A level such as ``{room}`` matches any one level and becomes part of the features' names."""
    exclude: tuple[str, ...] = ()
    """Filters of topics that are left out although one of `topics` matches."""
    format: str | dict[str, Any] = "json"
    """Decoder of the payloads: ``json``, ``msgpack``, ``cbor``, ``csv``, ``scalar``, or one of a package, such
    as ``sparkplug``; or a table with its ``type``."""
    path: str | list[str] = ""
    """Path to the part of the payload that is read; empty for all of it."""
    records: bool = False
    """True if that part is a list of readings, each with a time of its own."""
    fields: dict[str, str | dict[str, Any]] = msgspec.field(default_factory=dict)
    """Fields by name: the path to the value, or a table with its ``path``, ``scale``, ``offset``, ``unit``, ``words``
    and ``category``. Without any, every number of the payload is a field under its path."""
    words: dict[str, float | str] = msgspec.field(default_factory=dict)
    """Words that are numbers, or ``"missing"`` for a gap, such as ``heating = 1``, in upper or lower case."""
    decimal_comma: bool = False
    """True if ``"20,5"`` is a number."""
    name: str | None = None
    """Pattern of the features' names, in which levels of the topic and ``{field}`` stand in braces. By default the
    levels and the field, joined by dots; without levels, the name of the input and the field."""
    tags: tuple[str, ...] = ()
    """Levels of the topic that are features themselves, as categories, instead of parts of names."""
    time: str | list[str] = ""
    """Path of the time of the reading: seconds or milliseconds since 1970, or text by RFC 3339. Empty for the time of
    arrival, which also counts where a payload has no time."""
    time_zone: str = "UTC"
    """Time zone of times without an offset."""
    id: str | list[str] = ""
    """Path of the id by which a late label finds its question."""
    key: str | list[str] = ""
    """Path of the key by which a late label finds its question, or a level of the topic in braces, as ``{machine}``."""
    max_age_s: Seconds | None = None
    """Age from which on a value counts as missing; never where it is None."""
    silent_after_s: Seconds | None = None
    """Time without a message after which the input counts as silent and is reported."""

    @property
    def has_time(self) -> bool:
        """True if its readings carry a time."""
        # Not at the top: a device of whole events has no decoders.
        from edgedescent.assembly.decoders import decoder_type
        from edgedescent.formats import StatefulDecoder

        return bool(self.time) or issubclass(decoder_type(self.format, "format"), StatefulDecoder)
