"""The interface of sources, of the transforms that wrap them, and what all of them share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

from msgspec import Meta

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent.validation import Declared
from edgedescent_sims.sources.batch import Batch, Event

Kind = Literal["features", "ratings"]
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


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """Options of a person for a source that is opened by a path or a name.

    Args:
        target: Column to predict.
        drop: Columns to leave out.
        categories: Columns to read as categories, whatever they hold.
        time: Column with the time of the events.
    """

    target: str | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    time: str | None = None

    def refuse(self, spec: str, reason: str, *names: str) -> None:
        """Raise ConfigError if an option that does not apply to a source is given.

        Args:
            spec: The source.
            reason: Why they do not apply.
            names: Names of the options; all of them if none is named.
        """
        given = [f"--{name}" for name in names or self.__dataclass_fields__ if getattr(self, name)]
        if given:
            raise ConfigError(f"{' and '.join(given)} cannot be given for {spec}: {reason}.", "Leave it out.")


@dataclass(kw_only=True, eq=False)
class Source(Declared, ABC):
    """A stream of events: the same events, with the same numbers, each time it is read.

    A subclass is a dataclass whose fields declare its parameters; they are what a scenario file gives.

    Attributes:
        skipped_rows: Rows and cells that the latest reading has left out so far, and where notices go.
    """

    skipped_rows: SkippedRows = field(default_factory=SkippedRows, init=False, repr=False)

    @classmethod
    def recognizes(cls, _spec: str) -> bool:
        """Return True for a path or a name that `open` makes a source of."""
        return False

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Source:
        """Return the source that a path or a name stands for.

        Args:
            spec: A path or a name that the class recognizes.
            options: Options of a person. One that is given and does not apply is refused.

        Raises:
            ConfigError: If the source cannot be read, or an option does not apply to it.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the source; the default prefix of its event ids."""

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Shape of its events."""

    @abstractmethod
    def length(self) -> int | None:
        """Return the largest number of events there can be, None where counting them is expensive."""

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Yield the events from the first one on, in batches of up to `BATCH_EVENTS`."""

    def events(self, id_prefix: str | None = None) -> Iterator[Event]:
        """Yield the events from the first one on, as they are sent.

        Args:
            id_prefix: Text before the number in the event ids; the source's name and a dash if None.
        """
        prefix = f"{self.name}-" if id_prefix is None else id_prefix
        for batch in self.batches():
            yield from batch.events(prefix)


@dataclass(frozen=True)
class Mark:
    """A place in a stream where something is injected, for scores and pictures.

    Args:
        kind: ``drift`` changes what is to be learned, or what it is learned from, for good or for a while: recovery is
            scored there. ``fault`` is a disturbance of single events or of a span of them.
        label: Description in a few words, such as ``SignFlip x0``.
        start: Number of the last event before it; 0 if it holds from the first event on.
        end: Number of the last event of the transition; equal to `start` if it is abrupt. Of a fault, of the last event
            that it can touch.
    """

    kind: Literal["drift", "fault"]
    label: str
    start: int
    end: int


@dataclass(kw_only=True, eq=False)
class Transform(Source):
    """A source that changes the events of another: a drift or a fault.

    Transforms compose: ``Drift(Fault(CsvSource(...)))``.

    All their draws come from `seed` and are made per event, in order, so that what comes out does not depend on how
    the events are cut into batches.
    """

    source: Annotated[Source, Meta(description="Stream whose events are changed")] = field(kw_only=False)
    seed: Annotated[int, Meta(ge=0, le=2**62, description="Seed of its draws")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.skipped_rows = self.source.skipped_rows

    @property
    def name(self) -> str:
        """Name of the wrapped source."""
        return self.source.name

    @property
    def kind(self) -> Kind:
        """Shape of the events of the wrapped source."""
        return self.source.kind

    def length(self) -> int | None:
        """Return the length of the wrapped source: numbers of events never exceed it."""
        return self.source.length()

    @abstractmethod
    def marks(self) -> list[Mark]:
        """Places at which this transform, without those that it wraps, changes the stream.

        Raises:
            ConfigError: If one lies behind the end of the stream, or the transform would change nothing.
        """

    def around(self, source: Source) -> Self:
        """Return the same transform around another source."""
        return replace(self, source=source)


def suggest(name: str, choices: Collection[str], what: str) -> str:
    """Return the hint for a name that does not exist: the nearest choice, or all of them.

    >>> suggest("trumpaproval", ["Phishing", "TrumpApproval"], "data sets")
    'Did you mean `TrumpApproval`?'
    """
    return did_you_mean(name, choices) or f"The {what} are: {', '.join(choices)}."
