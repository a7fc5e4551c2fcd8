"""Inputs: messages of their topics are decoded, and become readings with the features that their values are."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from edgedescent.assembly.decoders import build_decoder
from edgedescent.assembly.fields import LEAVES_MAX, Extract, Field, Reader, extract_all, extract_fields, find, path_of
from edgedescent.assembly.input_spec import InputSpec
from edgedescent.assembly.topics import TopicPattern
from edgedescent.assembly.zones import zone_of
from edgedescent.errors import ConfigError, InvalidEventError, did_you_mean, shown
from edgedescent.formats import DecoderState, StatefulDecoder
from edgedescent.formats.times import time_of

TOPICS_MAX = 4096
"""Bound on the topics whose match is remembered; that of further ones is found for each message anew."""
RECORDS_MAX = 10_000
"""Bound on the readings of one message, by default."""
NAME_CHARACTERS_MAX = 512
"""Bound on the name of a feature."""
_NAN = float("nan")
_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Reading(msgspec.Struct, array_like=True, gc=False):
    """Values that one message gave at one time."""

    time: float
    """Time of the reading in the stream, in seconds since 1970."""
    input: int
    """Number of its input."""
    topic: str
    values: dict[str, float | str | None]
    """Values by the names of their features; None for a gap."""
    id: str | int | None = None
    key: str | None = None
    about: float | None = None
    """Time that a late label is about, where it is found by time."""


class Input:
    """Input that reads messages by its table.

    Args:
        name: Name of the input.
        number: Its place among the inputs.
        spec: Its table.

    Attributes:
        state: What its decoder remembers of earlier messages; None for one that needs none.

    Raises:
        ConfigError: If a key of the table is wrong; names the key, the value and what was expected.

    Example:
        >>> spec = InputSpec(topics=("zigbee2mqtt/{room}",), fields={"temperature": "temperature"}, time="last_seen")
        >>> climate = Input("climate", 0, spec)
        >>> payload = b'{"temperature": 21.5, "last_seen": "2026-01-05T10:00:00Z"}'
        >>> [value] = climate.decode(payload)
        >>> reading = climate.read("zigbee2mqtt/kitchen", {"room": "kitchen"}, value)
        >>> reading.values, reading.time
        ({'kitchen.temperature': 21.5}, 1767607200.0)
    """

    def __init__(self, name: str, number: int, spec: InputSpec) -> None:
        path = f"inputs.{name}"
        self.name, self.number, self.spec = name, number, spec
        self.patterns = [TopicPattern(text, f"{path}.topics[{i}]") for i, text in enumerate(spec.topics)]
        self._excluded = [TopicPattern(text, f"{path}.exclude[{i}]") for i, text in enumerate(spec.exclude)]
        self._decoder = build_decoder(spec.format, f"{path}.format")
        self.state = self._open(self._decoder, path) if isinstance(self._decoder, StatefulDecoder) else None
        self._path, self._time, self._id = path_of(spec.path), path_of(spec.time), path_of(spec.id)
        self._zone: ZoneInfo | None = None if spec.time_zone == "UTC" else zone_of(spec.time_zone, f"{path}.time_zone")
        levels = self._levels(path)
        self._template = self._name_template(path, levels)
        level = _PLACE.fullmatch(spec.key) if isinstance(spec.key, str) else None
        if level and level[1] not in levels:
            raise ConfigError(f"`{path}.key` is {shown(spec.key)}: expected a path, or a level of every topic.")
        self._key_level = level[1] if level else None
        self._key = () if level else path_of(spec.key)
        self._extract = self._extraction(path)
        self._prefixes: dict[str, dict[str, str]] = {}
        """Names of the features by field, for each topic."""

    @property
    def has_time(self) -> bool:
        """True if its readings carry a time."""
        return bool(self._time) or self.state is not None

    def _open(self, decoder: StatefulDecoder, path: str) -> DecoderState:
        spec = self.spec
        for key, value in (("path", spec.path), ("records", spec.records), ("time", spec.time)):
            if value:
                raise ConfigError(f"`{path}.{key}` is {shown(value)}: expected none, the format has times of its own.")
        try:
            return decoder.open([pattern.filter for pattern in self.patterns])
        except ValueError as error:
            raise ConfigError(f"`{path}.topics` is {shown(list(spec.topics))}: {error}") from None

    def _levels(self, path: str) -> set[str]:
        """Names of the levels that every topic has."""
        levels = set.intersection(*(set(pattern.names) for pattern in self.patterns))
        every = set.union(*(set(pattern.names) for pattern in self.patterns))
        if levels != every:
            raise ConfigError(
                f"`{path}.topics` is {shown(list(self.spec.topics))}: expected the same level names in each, "
                f"got {', '.join(sorted(every - levels))} in some only."
            )
        if "field" in levels:
            raise ConfigError(f"`{path}.topics` is {shown(list(self.spec.topics))}: `{{field}}` names no level.")
        for i, tag in enumerate(self.spec.tags):
            if tag not in levels:
                raise ConfigError(
                    f"`{path}.tags[{i}]` is {shown(tag)}: expected a level that is named in every topic.",
                    did_you_mean(tag, levels) or f"Name it in `{path}.topics`, as {{{tag}}}.",
                )
        return levels

    def _name_template(self, path: str, levels: set[str]) -> str:
        spec = self.spec
        if spec.name is None:
            own = [f"{{{name}}}" for name in self.patterns[0].names if name not in spec.tags]
            # The fields of a decoder with a state begin with where they come from.
            return ".".join([*(own or ([self.name] if self.state is None else [])), "{field}"])
        for name in _PLACE.findall(spec.name):
            if name not in levels | {"field"}:
                raise ConfigError(
                    f"`{path}.name` is {shown(spec.name)}: `{{{name}}}` is neither a level of every topic nor "
                    "`{field}`."
                )
        if not spec.name or re.search(r"[{}]", _PLACE.sub("", spec.name)):
            raise ConfigError(f"`{path}.name` is {shown(spec.name)}: expected a pattern such as {{room}}.{{field}}.")
        if "{field}" not in spec.name and len(spec.fields) != 1 and spec.format != "scalar":
            raise ConfigError(f"`{path}.name` is {shown(spec.name)}: expected {{field}} in it, for several fields.")
        return spec.name

    def _extraction(self, path: str) -> Extract:
        spec = self.spec
        if not spec.fields:
            keeps_text = spec.format == "scalar"
            reader = Reader(Field(), spec.words, path, keeps_text=keeps_text, decimal_comma=spec.decimal_comma)
            if keeps_text:
                return extract_fields({"": ((), reader.read)})
            return extract_all(reader.read)
        readers = {}
        for name, table in spec.fields.items():
            where = f"{path}.fields.{name}"
            field = Field(path=table) if isinstance(table, str) else _field(table, where)
            reader = Reader(field, spec.words, where, decimal_comma=spec.decimal_comma)
            readers[name] = path_of(field.path), reader.read
        return extract_fields(readers)

    def match(self, topic: str) -> dict[str, str] | None:
        """Named levels of a topic; None if the input does not read it."""
        for pattern in self.patterns:
            found = pattern.match(topic)
            if found is not None:
                return None if any(one.match(topic) is not None for one in self._excluded) else found
        return None

    def example(self, field: str) -> str:
        """Name of a feature, with levels in angle brackets.

        Example:
            >>> Input("climate", 0, InputSpec(topics=("zigbee2mqtt/{room}",))).example("temperature")
            '<room>.temperature'
        """
        if self.spec.format == "scalar" and not self.spec.fields:
            field = ""
        name = _PLACE.sub(lambda found: field if found[1] == "field" else f"<{found[1]}>", self._template)
        return name if field else name.rstrip(".")

    def may_yield(self, feature: str) -> bool:
        """True if the input may have a feature of this name."""
        text = self._template
        names: list[str | None] = [*self.spec.fields] or ([""] if self.spec.format == "scalar" else [None])
        for name in names:
            pattern = re.escape(text).replace(re.escape("{field}"), ".+" if name is None else re.escape(name))
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]*", pattern)
            if re.fullmatch(pattern.removesuffix(r"\.") if name == "" else pattern, feature):
                return True
        return feature in self.spec.tags

    def decode(self, payload: bytes, records_max: int = RECORDS_MAX) -> list[object]:
        """Values in a payload that are a reading each, in order.

        Args:
            payload: Payload of a message.
            records_max: Bound on their number.

        Raises:
            InvalidEventError: If the payload cannot be used.
        """
        try:
            value = self._decoder.decode(payload)
            if self._path:
                value = find(value, self._path)
        except _UNUSABLE as error:
            raise _invalid(error) from error
        if self._path and value is None:
            raise InvalidEventError("missing_field", f"The payload has nothing at `{'.'.join(self._path)}`.")
        if not self.spec.records:
            return [value]
        if not isinstance(value, list):
            raise InvalidEventError("wrong_type", f"Expected a list of readings, got {type(value).__name__}.")
        if len(value) > records_max:
            raise InvalidEventError(
                "too_many_events", f"The message has {len(value)} readings, more than the {records_max} that are taken."
            )
        return value

    def read(self, topic: str, levels: dict[str, str], value: object, time: float = _NAN) -> Reading:
        """Reading of a value. Its time is NaN where the value has none.

        Args:
            topic: Topic of the message, or source of the record.
            levels: Its named levels, as `match` returns them.
            value: One of what `decode` returns, or the values of a record.
            time: Time of the record.

        Raises:
            InvalidEventError: If the value cannot be used.
        """
        try:
            return self._read(topic, levels, value, time)
        except _UNUSABLE as error:
            raise _invalid(error) from error

    def _read(self, topic: str, levels: dict[str, str], value: object, time: float) -> Reading:
        names = self._prefixes.get(topic)
        if names is None:
            names = {}
            if len(self._prefixes) < TOPICS_MAX:
                self._prefixes[topic] = names
        values: dict[str, float | str | None] = {}
        for field, found in self._extract(value).items():
            name = names.get(field)
            if name is None:
                name = self.feature(field, levels)
                if len(names) < LEAVES_MAX:
                    names[field] = name
            values[name] = found
        for tag in self.spec.tags:
            values[tag] = levels[tag]
        return Reading(
            self._time_of(value) if self._time else time,
            self.number,
            topic,
            values,
            _id_of(find(value, self._id)) if self._id else None,
            self._key_of(levels, value),
        )

    def feature(self, field: str, levels: dict[str, str]) -> str:
        """Name of the feature that a field is; the field of a bare value is empty.

        Raises:
            InvalidEventError: If the name is empty or too long.
        """
        name = _PLACE.sub(lambda found: field if found[1] == "field" else levels[found[1]], self._template)
        # A bare number has no field.
        name = name if field else name.rstrip(".")
        if not 0 < len(name) <= NAME_CHARACTERS_MAX:
            raise InvalidEventError("too_large", f"The name of a feature has {len(name)} characters: {name!r:.80}.")
        return name

    def _time_of(self, value: object) -> float:
        found = find(value, self._time)
        if found is None:
            return _NAN
        if isinstance(found, str):
            number = _number(found)
            if number is not None:
                found = number
            elif self._zone is not None:
                found = localized(found, self._zone)
        elif isinstance(found, datetime):
            # MessagePack and CBOR have times of their own.
            found = found.timestamp() if found.tzinfo else found.replace(tzinfo=self._zone).timestamp()
        time = time_of(found)
        if time is None or not TIME_MIN < time < TIME_MAX:
            raise InvalidEventError(
                "wrong_type",
                f"Expected seconds or milliseconds since 1970, or a time by RFC 3339, got {shown(found)} - at "
                f"`{'.'.join(self._time)}`",
            )
        return time

    def _key_of(self, levels: dict[str, str], value: object) -> str | None:
        if self._key_level is not None:
            return levels[self._key_level]
        if not self._key:
            return None
        found = _id_of(find(value, self._key))
        return None if found is None else str(found)


TIME_MIN, TIME_MAX = -6.2e10, 1e11
"""Bounds on times in seconds, the years 5 and 5138: calendars begin and end soon beyond the first."""
_UNUSABLE = ValueError, OverflowError, TypeError, RecursionError


def _invalid(error: Exception) -> InvalidEventError:
    """Error for what Python cannot convert, such as a number or a time: no payload may end the daemon."""
    return InvalidEventError("malformed", f"The payload cannot be used: {error}")


def _field(table: object, path: str) -> Field:
    if not isinstance(table, dict):
        raise ConfigError(f"`{path}` is {shown(table)}: expected a path, or a table with a `path`.")
    try:
        return msgspec.convert(table, Field)
    except msgspec.ValidationError as error:
        raise ConfigError(f"`{path}`: {error}.", did_you_mean_key(table, Field)) from None


def did_you_mean_key(table: dict[str, Any], kind: type[msgspec.Struct]) -> str:
    """Hint with the known key nearest to the first unknown one of a table."""
    known = kind.__struct_fields__
    return next((did_you_mean(key, known) for key in table if key not in known), "")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def localized(text: str, zone: ZoneInfo) -> object:
    """Seconds since 1970 of a text in a time zone, if it has no offset; the text itself if it is no time."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()


def _id_of(value: object) -> str | int | None:
    """Id in a payload; None where there is none.

    Raises:
        InvalidEventError: If it is neither text nor an integer.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        # A state holds integers of 64 bits.
        return value if -(2**63) <= value < 2**63 else str(value)
    raise InvalidEventError("wrong_type", f"Expected a text or an integer as id, got {type(value).__name__}.")
