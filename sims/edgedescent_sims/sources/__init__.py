"""What a replay reads from: the `Source` protocol, and the one place that picks a source by name.

A new kind of source (a journal, a generator, a drift scenario) is one new file with a class of this shape and
a line in `open_source`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from edgedescent.errors import ConfigError
from edgedescent.suggest import did_you_mean

Event = dict[str, Any]
"""One event as it goes over the wire: `id`, then `x` and `y`, or `user`, `item` and `y`; or a recorded message."""

Kind = Literal["features", "ratings", "recorded"]
Notify = Callable[[str], None]

SHOWN_MAX = 5
"""Faulty rows and cells named one by one; the rest is only counted, so as not to flood a terminal."""


def ignore(_text: str) -> None:
    """Take a notice and do nothing with it: the default where a caller reads the counts instead."""


@dataclass
class SkippedRows:
    """Counts what a source leaves out and names the first few, so that nothing is left out silently."""

    notify: Notify = ignore
    rows: int = 0
    cells: int = 0

    def row(self, number: int, reason: str) -> None:
        """Count one row that becomes no event."""
        self.rows += 1
        if self.rows <= SHOWN_MAX:
            self.notify(f"Row {number} is skipped: {reason}.")

    def cell(self, number: int, column: str, value: object) -> None:
        """Count one cell that is left out of an event which is otherwise sent."""
        self.cells += 1
        if self.cells <= SHOWN_MAX:
            self.notify(f"Row {number}: {column} is left out, {value!r} is not a finite number.")

    def reset(self) -> None:
        """Start counting afresh, for a stream that is read again from its beginning."""
        self.rows = self.cells = 0

    def summary(self) -> str:
        """Say in one line how much was left out; an empty string if nothing was."""
        parts = [f"{count} {name}" for count, name in ((self.rows, "rows"), (self.cells, "cells")) if count]
        return f"Left out: {' and '.join(parts)}." if parts else ""


class Source(Protocol):
    """A data set as a stream of events: the same events, with the same ids, each time it is read."""

    @property
    def name(self) -> str:
        """What the source is called; the default prefix of its event ids."""

    @property
    def kind(self) -> Kind:
        """Which shape its events have."""

    @property
    def omissions(self) -> SkippedRows:
        """What the latest reading has left out so far."""

    def length(self) -> int | None:
        """Count the rows where that is cheap, else return None; rows left out are included."""

    def events(self) -> Iterator[Event]:
        """Yield the events from the first one on."""


@dataclass(frozen=True)
class SourceOptions:
    """What a user may say about a source, whatever kind it turns out to be."""

    target: str | None = None
    drop: tuple[str, ...] = ()
    id_prefix: str | None = None
    notify: Notify = field(default=ignore)


def open_source(
    spec: str | Path,
    *,
    target: str | None = None,
    drop: Iterable[str] = (),
    id_prefix: str | None = None,
    notify: Notify = ignore,
) -> Source:
    """Open a CSV file, a `user::item::rating::time` file, a recorded journal, or a River data set by name.

    Args:
        spec: A path, gzipped if it ends in `.gz`; or the name of a River data set, in any case of letters.
        target: The column to predict. CSV files need it; the other kinds know theirs.
        drop: Columns to leave out.
        id_prefix: What stands before the row number in the event ids; the source's name and a dash if None.
        notify: Called with one line for each thing worth telling a person, such as a dropped column.

    Raises:
        ConfigError: There is no such source, it cannot be read, or an option does not fit it.

    >>> source = open_source("chickweights")  # doctest: +SKIP
    >>> next(source.events())  # doctest: +SKIP
    {'id': 'ChickWeights-1', 'x': {'time': 0.0, 'chick': 1.0, 'diet': 1.0}, 'y': 42.0}
    """
    # Each kind is imported only when it is used: River alone costs a second and a hundred megabytes.
    options = SourceOptions(target, tuple(drop), id_prefix, notify)
    path = Path(spec)
    if path.is_file():
        from edgedescent_sims.sources.ratings import RatingsSource, looks_like_ratings

        if looks_like_ratings(path):
            return RatingsSource(path, options)
        from edgedescent_sims.sources.recording import RecordingSource, looks_like_recording

        if looks_like_recording(path):
            return RecordingSource(path, options)
        from edgedescent_sims.sources.csv import CsvSource

        return CsvSource(path, options)
    if path.exists():
        raise ConfigError(f"{spec} is not a file.", hint="Give a CSV file, a ratings file or a River data set.")
    if path.suffix or len(path.parts) > 1:
        raise ConfigError(f"There is no file {spec}.", hint=_files_like(path))
    from edgedescent_sims.sources.river import RiverSource

    return RiverSource(str(spec), options)


def near_matches(name: str, choices: Collection[str], what: str) -> str:
    """Write the hint for a name that does not exist: the nearest choice, or all of them.

    >>> near_matches("trumpaproval", ["Phishing", "TrumpApproval"], "data sets")
    'Did you mean `TrumpApproval`?'
    """
    return did_you_mean(name, choices) or f"The {what} are: {', '.join(choices)}."


def _files_like(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    otherwise = "Give a CSV file, a user::item::rating::time file, or the name of a River data set."
    return did_you_mean(path.name, names) or otherwise
