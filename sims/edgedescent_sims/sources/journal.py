"""A device's journal, as a stream of its events and of the messages as they were received."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

import msgspec
import numpy as np
from msgspec import Meta

from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError
from edgedescent.formats import Event, FeatureEvent, ItemEvent, JsonFormat, RatingEvent, content_hash
from edgedescent.state import recording
from edgedescent.state.store import FILE
from edgedescent_sims.sources.base import Kind, Source, SourceOptions
from edgedescent_sims.sources.batch import BATCH_EVENTS, RATING_COLUMNS, Batch, Column
from edgedescent_sims.sources.text_files import first_line, open_text, stem_of

_BYTES_MAX = 2**28
_EVENTS_MAX = 10_000_000

_Row = tuple[int, float, Event]
"""Number of an event, the time at which it was received, and the event."""


@dataclass(kw_only=True, eq=False)
class JournalSource(Source):
    """The journal of a device: its state folder, or a file that ``edgedescent journal export`` wrote.

    Its messages are decoded as JSON. An event counts as received at the time of its message. Its number is its place
    among the events of the journal. Repeats are left out as by the daemon: events with a label whose id came over the
    same topic with the same content.

    Raises:
        ConfigError: If the journal cannot be read or holds no events.
    """

    path: Annotated[str, Meta(description="State folder of a device, or an exported journal")] = field(kw_only=False)
    dedup_window: Annotated[
        int, Meta(ge=1, description="Number of latest events with ids by which a repeat is recognized")
    ] = 65_536
    id_scope: Annotated[Literal["topic", "device"], Meta(description="What an id belongs to, as in `[limits]`")] = (
        "topic"
    )
    skip: Annotated[int, Meta(ge=0, description="Number of events to pass over; the next one has number 1")] = 0
    limit: Annotated[int | None, Meta(ge=1, description="Most events; all if None")] = None

    _kind: Kind | None = field(default=None, init=False, repr=False)
    _length: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        super().__post_init__()
        if not Path(self.path).exists():
            raise ConfigError(f"There is no journal {self.path}.", "Give a state folder, or an exported journal.")

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for a state folder, and for a file whose first line is a recorded message."""
        path = Path(spec)
        if path.is_dir():
            return (path / FILE).exists()
        return path.is_file() and not isinstance(_parse(first_line(path)), str)

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the source for a folder or a file; no option applies."""
        options.refuse(spec, "it is a recording, which is sent as it is")
        return cls(spec)

    @property
    def name(self) -> str:
        """Name of the file without its suffixes, or of the folder."""
        return stem_of(Path(self.path).resolve())

    @property
    def kind(self) -> Kind:
        """Shape of the first event that can be decoded."""
        if self._kind is None:
            messages = (message.payload for _, message in self._numbered() if isinstance(message, Message))
            self._kind = next((kind for payload in messages if (kind := _kind_of(payload)) is not None), None)
        if self._kind is None:
            raise ConfigError(f"{self.path} holds no events.", "Only journals of JSON messages can be read.")
        return self._kind

    def length(self) -> int | None:
        """Return the number of events; the journal is read once for it."""
        if self._length is None:
            self._length = sum(1 for _ in self._part())
        return self._length

    def n_messages(self) -> int:
        """Return the number of messages, damaged lines included."""
        if Path(self.path).is_dir():
            extent = recording.extent(self.path)
            return extent.last - extent.first + 1 if extent.last else 0
        with open_text(Path(self.path)) as stream:
            return sum(1 for _ in stream)

    def messages(self) -> Iterator[Message]:
        """Yield the messages as they were received; `skipped_rows` counts damaged lines."""
        self.skipped_rows.reset()
        for number, message in self._numbered():
            if isinstance(message, Message):
                yield message
            else:
                self.skipped_rows.row(number, message)

    def batches(self) -> Iterator[Batch]:
        """Yield the events; `skipped_rows` counts what cannot be decoded, and repeats.

        A feature that first held a number is a column of numbers, and later texts in it are left out; the other way
        round, numbers become texts.
        """
        self.skipped_rows.reset()
        events = self._part(report=True)
        is_text: dict[str, bool] = {}
        while piece := list(islice(events, BATCH_EVENTS)):
            columns = _rating_columns(piece) if self.kind == "ratings" else self._feature_columns(piece, is_text)
            y = np.array([math.nan if event.y is None else event.y for _, _, event in piece], dtype=np.float64)
            number = np.array([number for number, _, _ in piece], dtype=np.int64)
            yield Batch.of(columns, y, number=number, time=np.array([time for _, time, _ in piece], dtype=np.float64))

    def _part(self, *, report: bool = False) -> Iterator[_Row]:
        """Events between `skip` and `limit`, numbered from 1."""
        rows = islice(self._decoded(report=report), self.skip, None if self.limit is None else self.skip + self.limit)
        for number, (time, event) in enumerate(rows, start=1):
            yield number, time, event

    def _decoded(self, *, report: bool) -> Iterator[tuple[float, Event]]:
        seen: dict[tuple[str, str, int], None] = {}
        for place, message in self._numbered():
            if not isinstance(message, Message):
                if report:
                    self.skipped_rows.row(place, message)
                continue
            for event in _events(message.payload, self.kind):
                if isinstance(event, str):
                    reason = event
                elif self._is_new(message, event, seen):
                    yield message.received_at, event
                    continue
                else:
                    reason = f"the event {event.id!r} is there already"
                if report:
                    self.skipped_rows.row(place, reason)

    def _is_new(self, message: Message, event: Event, seen: dict[tuple[str, str, int], None]) -> bool:
        """Return True for an event that the latest ones do not hold, and remember it."""
        if event.id is None or event.y is None:
            return True
        said = (message.topic if self.id_scope == "topic" else "", repr(event.id), content_hash(event))
        if said in seen:
            return False
        seen[said] = None
        if len(seen) > self.dedup_window:
            del seen[next(iter(seen))]
        return True

    def _numbered(self) -> Iterator[tuple[int, Message | str]]:
        """Messages, or the reasons why a line holds none, with their places."""
        if Path(self.path).is_dir():
            for message in recording.read(self.path):
                yield message.position, message
            return
        with open_text(Path(self.path)) as stream:
            for number, line in enumerate(stream, start=1):
                yield number, _parse(line)

    def _feature_columns(self, piece: list[_Row], is_text: dict[str, bool]) -> dict[str, Column]:
        rows = [(number, _flat(cast("FeatureEvent", event).x)) for number, _, event in piece]
        cells: dict[str, list[Any]] = {}
        for place, (number, features) in enumerate(rows):
            for name, value in features.items():
                if value is None:
                    continue
                as_text = is_text.setdefault(name, isinstance(value, str))
                if name not in cells:
                    cells[name] = [None if as_text else math.nan] * len(rows)
                if as_text:
                    cells[name][place] = value if isinstance(value, str) else str(value)
                elif isinstance(value, str) or not math.isfinite(value):
                    self.skipped_rows.cell(number, name, value)
                else:
                    cells[name][place] = float(value)
        # In the order in which the journal first names them, whatever the piece.
        return {
            name: np.fromiter(cells[name], object if is_text[name] else np.float64, len(rows))
            for name in is_text
            if name in cells
        }


def _rating_columns(piece: list[_Row]) -> dict[str, Column]:
    events = [cast("RatingEvent", event) for _, _, event in piece]
    return {name: np.array([str(getattr(event, name)) for event in events], dtype=object) for name in RATING_COLUMNS}


def _flat(features: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Features with those of a nested table under names with a dot, as learners name them."""
    flat: dict[str, Any] = {}
    for name, value in features.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _events(payload: bytes, kind: Kind) -> Iterable[Event | str]:
    """Events of a message in order, or the reasons why there is none that can be predicted."""
    for piece in _FORMATS[kind].read(payload):
        found: list[tuple[int, Event | str]] = [
            *((place, _ABOUT_AN_ITEM if isinstance(event, ItemEvent) else event) for place, event in piece.events),
            *((rejected.place, str(rejected.error)) for rejected in piece.rejected),
        ]
        yield from (event for _, event in sorted(found, key=lambda pair: pair[0]))


def _kind_of(payload: bytes) -> Kind | None:
    """Shape of the events of a message; None if it has none, or only what is said about items."""
    kinds: tuple[Kind, ...] = ("features", "ratings")
    if any(event == _ABOUT_AN_ITEM for event in _events(payload, "ratings")):
        # With attributes it could be taken for an event of features.
        kinds = ("ratings",)
    has_events = (kind for kind in kinds if any(not isinstance(event, str) for event in _events(payload, kind)))
    return next(has_events, None)


_ABOUT_AN_ITEM = "it is about an item, which nobody chose"
_FORMATS: dict[Kind, JsonFormat] = {
    kind: JsonFormat(kind, payload_bytes_max=_BYTES_MAX, events_per_message_max=_EVENTS_MAX)
    for kind in ("features", "ratings")
}


def _parse(line: str) -> Message | str:
    """Return the message of a line, or the reason why it holds none."""
    try:
        return recording.from_line(line)
    except (ValueError, msgspec.DecodeError) as fault:
        return str(fault)
