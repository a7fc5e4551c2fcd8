"""Profiles of topics: format, rate, fields with their ranges, and what looks like a time."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from edgedescent.assembly.decoders import build_decoder
from edgedescent.assembly.fields import Field, Reader, leaves
from edgedescent.assembly.inputs import localized
from edgedescent.assembly.zones import zone_of
from edgedescent.errors import ConfigError, InvalidEventError
from edgedescent.formats.times import time_of
from edgedescent.setup.heard import Heard

SAMPLES_MAX = 2000
"""Number of messages of a topic that are looked at."""
FIELDS_MAX = 500
"""Bound on the fields of a topic."""
NUMERIC_SHARE = 0.8
"""Share of the values of a field that must be numbers, known words or gaps."""
TIME_SHARE = 0.9
SECONDS_OF_YEAR_2000, SECONDS_OF_YEAR_2100 = 946_684_800.0, 4_102_444_800.0
_TIME_NAME = re.compile(r"(time|date|stamp|last_?seen|^ts$|_ts$|^t$|updated|utc)", re.IGNORECASE)

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")

_reader = Reader(Field(), {}, "", keeps_text=True)
_UNIT = re.compile(r"^[-+]?[0-9.]+\s*([^0-9\s.,:;TZ-][^0-9\s]{0,5})$")

Path = tuple[str, ...]


@dataclass
class FieldProfile:
    """One field of the payloads of a topic."""

    path: Path
    count: int = 0
    """Number of messages that have it."""
    numbers: list[float] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    """Some of the texts that are no numbers."""
    unit: str = ""
    """Unit that stands behind the numbers, in texts."""

    def add(self, value: object) -> None:
        """Take a value into account."""
        self.count += 1
        if isinstance(value, str) and (found := _UNIT.match(value.strip())) and not self.numbers:
            self.unit = found[1]
        text = value.strip().removesuffix(self.unit).rstrip() if self.unit and isinstance(value, str) else value
        try:
            number = _reader.read(text)
        except InvalidEventError:
            return
        if isinstance(number, float):
            self.numbers.append(number)
        elif number is None:
            # A gap does not speak against a number.
            self.count -= 1
        elif len(self.others) < 8:
            self.others.add(str(number)[:40])

    @property
    def name(self) -> str:
        """Name of the field: its path, joined by dots."""
        return ".".join(self.path)

    @property
    def is_numeric(self) -> bool:
        """True if almost all of its values are numbers."""
        return len(self.numbers) >= NUMERIC_SHARE * self.count > 0

    @property
    def spread(self) -> float:
        """Standard deviation of its numbers."""
        return statistics.pstdev(self.numbers) if len(self.numbers) > 1 else 0.0

    def describe(self) -> str:
        """Range and number of its values, for a comment."""
        if not self.numbers:
            return "no number yet"
        low, high = min(self.numbers), max(self.numbers)
        return f"{low:g} to {high:g}" if low < high else f"always {low:g}"


@dataclass
class TopicProfile:
    """Form, rate and fields of the messages on one topic."""

    topic: str
    format: str | dict[str, Any]
    count: int
    interval_s: float | None
    """Median time between two messages; None for fewer than three."""
    fields: dict[Path, FieldProfile]
    time: Path | None
    """Path of a field with the time of the reading."""
    time_zone: str = "UTC"

    @property
    def is_scalar(self) -> bool:
        """True if its payloads are bare numbers or words."""
        return self.format == "scalar"

    @property
    def unit(self) -> str:
        """Unit of a bare number; empty for other formats."""
        return self.fields[()].unit if self.is_scalar and () in self.fields else ""

    def numeric(self) -> list[FieldProfile]:
        """Its fields that are numbers, without the time, in the order in which they came."""
        return [one for one in self.fields.values() if one.is_numeric and one.path != self.time]


def profiles(heard: Iterable[Heard], local_zone: str) -> list[TopicProfile]:
    """Profiles of all topics on which something usable was heard, by name.

    Args:
        heard: The messages.
        local_zone: Time zone of this machine, in which times without an offset may be.
    """
    by_topic: dict[str, list[Heard]] = defaultdict(list)
    for one in heard:
        if len(by_topic[one.topic]) < SAMPLES_MAX:
            by_topic[one.topic].append(one)
    found = [_profile(topic, messages, local_zone) for topic, messages in sorted(by_topic.items())]
    return [one for one in found if one is not None]


def guess_format(payloads: Sequence[bytes]) -> str | dict[str, Any] | None:
    """Format that most of some payloads have; None if there is none.

    Example:
        >>> guess_format([b"21.5", b"unavailable"]), guess_format([b'{"a": 1}']), guess_format([b"1;2.5", b"3;4"])
        ('scalar', 'json', {'type': 'csv', 'delimiter': ';'})
    """
    candidates: list[str | dict[str, Any]] = ["json", *({"type": "csv", "delimiter": sign} for sign in ";\t,")]
    candidates += ["scalar", "msgpack", "cbor"]
    best, most = None, 0
    for candidate in candidates:
        fitting = sum(_fits(candidate, payload) for payload in payloads)
        if fitting > most:
            best, most = candidate, fitting
    return best if most >= NUMERIC_SHARE * len(payloads) else None


def _fits(candidate: str | dict[str, Any], payload: bytes) -> bool:
    try:
        value = build_decoder(candidate, "format").decode(payload)
    except (InvalidEventError, ConfigError):
        # A decoder whose package is not installed fits nothing.
        return False
    if candidate == "scalar":
        # Words of one or two bytes, and binary data that happens to be UTF-8, say nothing.
        return isinstance(value, str) and value.isprintable() and len(value) <= 64
    if isinstance(candidate, dict):
        return isinstance(value, dict) and len(value) > 1 and any(_is_number(one) for one in value.values())
    return isinstance(value, dict | list) and bool(value)


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _profile(topic: str, messages: Sequence[Heard], local_zone: str) -> TopicProfile | None:
    form = guess_format([one.payload for one in messages if one.payload][:50])
    if form is None:
        return None
    decoder = build_decoder(form, "format")
    fields: dict[Path, FieldProfile] = {}
    times: dict[Path, list[tuple[object, float]]] = defaultdict(list)
    for one in messages:
        # Of a payload that is too deep or too large, what comes before that counts.
        with suppress(InvalidEventError):
            for path, leaf in leaves(decoder.decode(one.payload)):
                if path not in fields and len(fields) >= FIELDS_MAX:
                    continue
                fields.setdefault(path, FieldProfile(path)).add(leaf)
                if path and (_TIME_NAME.search(path[-1]) or (isinstance(leaf, str) and _ISO_TIME.match(leaf))):
                    times[path].append((leaf, one.received_at))
    arrivals = [one.received_at for one in messages]
    gaps = sorted(after - before for before, after in pairwise(arrivals))
    time, zone = _time_field(times, local_zone)
    return TopicProfile(
        topic, form, len(messages), statistics.median(gaps) if len(gaps) > 1 else None, fields, time, zone
    )


def _time_field(times: dict[Path, list[tuple[object, float]]], local_zone: str) -> tuple[Path | None, str]:
    """Path of the field that holds the time of the reading, and its time zone."""
    best: tuple[float, Path, str] | None = None
    for path, values in times.items():
        for zone in dict.fromkeys(("UTC", local_zone)):
            place = zone_of(zone, "time_zone")
            found = [
                (time_of(localized(value, place) if isinstance(value, str) else value), at) for value, at in values
            ]
            offsets = [
                at - time
                for time, at in found
                if time is not None and SECONDS_OF_YEAR_2000 < time < SECONDS_OF_YEAR_2100
            ]
            if len(offsets) < TIME_SHARE * len(values):
                continue
            # A time of the reading moves with the arrival; the start of a device does not.
            distance = abs(statistics.median(offsets))
            if len(set(map(str, values))) > 1 or len(values) == 1:
                candidate = (distance, path, zone)
                best = candidate if best is None or candidate < best else best
    return (None, "UTC") if best is None else (best[1], best[2])
