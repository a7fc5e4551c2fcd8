"""The interface of sources, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from edgedescent.errors import did_you_mean

Event = dict[str, Any]
"""One event as it is sent: `id`, then `x` and `y`, or `user`, `item` and `y`; or a recorded message."""

Kind = Literal["features", "ratings", "recorded"]
Notify = Callable[[str], None]

SHOWN_MAX = 5
"""Most faulty rows and cells that are reported one by one; the rest is only counted, so as not to flood a terminal."""


def ignore(_text: str) -> None:
    """Discard a notice: the default where a caller reads the counts instead."""


@dataclass
class SkippedRows:
    """Counts of the rows and cells that a source leaves out; the first few are reported one by one.

    Args:
        notify: Called with one line for each of the first few.
        rows: Number of rows left out.
        cells: Number of cells left out of events that are otherwise sent.
    """

    notify: Notify = ignore
    rows: int = 0
    cells: int = 0

    def row(self, number: int, reason: str) -> None:
        """Count a row that becomes no event."""
        self.rows += 1
        if self.rows <= SHOWN_MAX:
            self.notify(f"Row {number} is skipped: {reason}.")

    def cell(self, number: int, column: str, value: object) -> None:
        """Count a cell that is left out of an event."""
        self.cells += 1
        if self.cells <= SHOWN_MAX:
            self.notify(f"Row {number}: {column} is left out, {value!r} is not a finite number.")

    def reset(self) -> None:
        """Start counting anew, for a stream that is read again from its beginning."""
        self.rows = self.cells = 0

    def summary(self) -> str:
        """Return the counts in one line; an empty string if nothing was left out."""
        parts = [f"{count} {name}" for count, name in ((self.rows, "rows"), (self.cells, "cells")) if count]
        return f"Left out: {' and '.join(parts)}." if parts else ""


class Source(Protocol):
    """A data set as a stream of events: the same events, with the same ids, each time it is read."""

    @property
    def name(self) -> str:
        """Name of the source; the default prefix of its event ids."""

    @property
    def kind(self) -> Kind:
        """Shape of its events."""

    @property
    def skipped_rows(self) -> SkippedRows:
        """Rows and cells that the latest reading has left out so far."""

    def length(self) -> int | None:
        """Return the largest number of events there can be, None where counting them is expensive."""

    def events(self) -> Iterator[Event]:
        """Yield the events from the first one on."""


@dataclass(frozen=True)
class SourceOptions:
    """Options of the user that apply to sources of several kinds; see `open_source`."""

    target: str | None = None
    drop: tuple[str, ...] = ()
    id_prefix: str | None = None
    notify: Notify = field(default=ignore)

    def prefix_for(self, name: str) -> str:
        """Return the text before the row number in the event ids of a source."""
        return f"{name}-" if self.id_prefix is None else self.id_prefix


class OpenableSource(Source, Protocol):
    """A source that `open_source` can open by a path or a name."""

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True if `spec` is a path or a name that this kind of source can open."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        """Open it.

        Raises:
            ConfigError: If it cannot be read, or an option does not apply.
        """


def suggest(name: str, choices: Collection[str], what: str) -> str:
    """Return the hint for a name that does not exist: the nearest choice, or all of them.

    >>> suggest("trumpaproval", ["Phishing", "TrumpApproval"], "data sets")
    'Did you mean `TrumpApproval`?'
    """
    return did_you_mean(name, choices) or f"The {what} are: {', '.join(choices)}."
