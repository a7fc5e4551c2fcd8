"""Base class of sources that are tables: what each column is used for, and conversion of rows to batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.sources.base import Kind, Source, suggest
from edgedescent_sims.sources.batch import Batch, Column
from edgedescent_sims.sources.columns import HEAD_ROWS, Cells, Layout, infer
from edgedescent_sims.sources.leaks import giving_away
from edgedescent_sims.sources.parsing import is_number, to_numbers
from edgedescent_sims.sources.times import to_times


class Rows(NamedTuple):
    """Consecutive rows of a table, as columns of cells."""

    number: NDArray[np.int64]
    """Number of each row, from 1."""
    cells: dict[str, Cells]
    """Cells of each column, the target's too."""
    faults: list[tuple[int, str]]
    """Numbers of rows that cannot be used, and the reasons."""


class _Faults:
    """Faulty rows and cells of one piece of a table, reported in the order of the rows."""

    def __init__(self, rows: Rows) -> None:
        self._number = rows.number
        self.rows = [(number, -1, reason, None) for number, reason in rows.faults]
        self.cells: list[tuple[int, int, str, object]] = []

    def row(self, place: int, reason: str) -> None:
        self.rows.append((int(self._number[place]), -1, reason, None))

    def column(self, name: str, places: list[int], cells: Cells, keep: NDArray[np.bool_]) -> None:
        order = len(self.cells)
        self.cells += [(int(self._number[place]), order, name, cells[place]) for place in places if keep[place]]

    def report(self, source: TableSource) -> None:
        if not self.rows and not self.cells:
            return
        for number, order, text, cell in sorted([*self.rows, *self.cells], key=lambda fault: fault[:2]):
            if order < 0:
                source.skipped_rows.row(number + source.skip, text)
            else:
                source.skipped_rows.cell(number + source.skip, text, cell)


@dataclass(kw_only=True, eq=False)
class TableSource(Source):
    """Rows of named cells, one of which is the target, as events.

    What a column holds is inferred from its first 1000 rows:

    - numbers, if nine in ten of its cells are; others become missing cells, and are counted;
    - times, if all of its cells are dates or Unix times: the first such column is the time of the events, and gives
      calendar features;
    - ids, if nearly every row has another text: they are left out, with a notice;
    - else categories.

    A row is left out, and counted, if its target is missing or no number.
    """

    drop: Annotated[tuple[str, ...], Meta(description="Columns to leave out")] = ()
    categories: Annotated[tuple[str, ...], Meta(description="Columns to read as categories, whatever they hold")] = ()
    numbers: Annotated[tuple[str, ...], Meta(description="Columns to read as numbers, whatever they hold")] = ()
    time: Annotated[
        str | None, Meta(description="Column with the time of the events; the first that holds times if None")
    ] = None
    calendar: Annotated[bool, Meta(description="Whether the time gives hour, day of the week and month")] = True
    skip: Annotated[
        int, Meta(ge=0, description="Number of rows to pass over at the start; the next one has number 1")
    ] = 0
    limit: Annotated[int | None, Meta(ge=1, description="Most rows to read; all if None")] = None

    _layout: Layout | None = field(default=None, init=False, repr=False)

    @property
    def kind(self) -> Kind:
        """Named features."""
        return "features"

    @property
    @abstractmethod
    def _target(self) -> str:
        """Name of the column to predict."""

    @abstractmethod
    def _rows(self) -> Iterator[Rows]:
        """Yield the rows after `skip` and up to `limit`, in pieces of up to `BATCH_EVENTS`."""

    def batches(self) -> Iterator[Batch]:
        """Yield the events; `skipped_rows` counts what is left out.

        Raises:
            ConfigError: If there are no rows, a named column does not exist or does not hold what it should, or the
                target holds no numbers.
        """
        self.skipped_rows.reset()
        latest = np.nan
        for rows in self._rows():
            if self._layout is None and len(rows.number):
                self._layout = self._infer({name: cells[:HEAD_ROWS] for name, cells in rows.cells.items()})
                self._notify_of_columns(self._layout)
                self._notify_of_leaks(rows, self._layout)
            batch = self._to_batch(rows, self._layout or Layout(), latest)
            latest = batch.time[-1] if len(batch) else latest
            if len(batch):
                yield batch
        if self._layout is None:
            raise ConfigError(f"{self.name} has no rows that could be sent.")

    def _infer(self, head: dict[str, Cells]) -> Layout:
        target = self._target
        features = {name: cells for name, cells in head.items() if name != target}
        self._check_names(features)
        if not any(map(is_number, head[target])):
            raise ConfigError(
                f"The target {target} of {self.name} holds no number, but for example {head[target][0]!r}.",
                hint="Only regression targets can be learned.",
            )
        kept = {name: cells for name, cells in features.items() if name not in self.drop}
        try:
            return infer(kept, categories=self.categories, numbers=self.numbers, time=self.time)
        except ValueError as error:
            cell = kept[str(error)][0]
            raise ConfigError(
                f"The column {error} of {self.name} holds no times, but for example {cell!r}.",
                hint="Times are ISO 8601, dates such as 31.12.2024 23:59, or Unix times.",
            ) from None

    def _check_names(self, columns: Collection[str]) -> None:
        """Raise ConfigError if a column that is named by a parameter does not exist, or is named by two of them."""
        named: dict[str, str] = {self._target: "target"}
        uses = {"drop": self.drop, "categories": self.categories, "numbers": self.numbers}
        for use, names in {**uses, "time": () if self.time is None else (self.time,)}.items():
            for name in names:
                if name in named:
                    raise ConfigError(
                        f"The column {name!r} of {self.name} is given both as `{named[name]}` and as `{use}`."
                    )
                if name not in columns:
                    raise ConfigError(
                        f"{self.name} has no column {name!r}, which is given as `{use}`.",
                        hint=suggest(name, columns, "columns"),
                    )
                named[name] = use

    def _notify_of_columns(self, layout: Layout) -> None:
        notify = self.skipped_rows.notify
        if layout.ids:
            listed = ", ".join(f"{name} ({cell!r})" for name, cell in layout.ids.items())
            notify(f"Left out, as nearly every row has another text: {listed}.")
        if layout.times and layout.time is not None:
            notify(f"Left out, as {layout.time.name} is the time of the events: {', '.join(layout.times)}.")
        if layout.nested:
            notify(f"Left out, as they hold neither numbers nor texts: {', '.join(layout.nested)}.")
        has_calendar = layout.time is not None and self.calendar
        if not layout.numbers and not layout.categories and not has_calendar:
            notify(f"{self.name} has no column beside its target: its events have no features.")

    def _notify_of_leaks(self, rows: Rows, layout: Layout) -> None:
        """Warn of columns that give the target away, which would make a simulation look far too good."""
        columns = {name: to_numbers(rows.cells[name][:HEAD_ROWS])[0] for name in layout.numbers}
        y = to_numbers(rows.cells[self._target][:HEAD_ROWS])[0]
        if names := giving_away(columns, y):
            gives = "gives" if len(names) == 1 else "together give"
            self.skipped_rows.notify(
                f"Warning: {' and '.join(names)} {gives} the target {self._target} away almost exactly. If this is not "
                f"known before the target is, leave it out: --drop {','.join(names)}"
            )

    def _to_batch(self, rows: Rows, layout: Layout, latest: float) -> Batch:
        faults = _Faults(rows)
        y = self._labels(rows, faults)
        keep = ~np.isnan(y)
        columns: dict[str, Column] = {}
        for name in layout.numbers:
            columns[name], unreadable = to_numbers(rows.cells[name])
            faults.column(name, unreadable, rows.cells[name], keep)
        for name, texts in layout.categories.items():
            cells = rows.cells[name]
            objects = cells.tolist() if isinstance(cells, np.ndarray) else cells
            columns[name] = np.fromiter((texts[cell] for cell in objects), object, len(objects))
        times = None
        if layout.time is not None:
            name, parse, calendar = layout.time
            times, unreadable = to_times(rows.cells[name], parse)
            faults.column(name, unreadable, rows.cells[name], keep)
            if self.calendar:
                columns.update({key: values for key, values in calendar.features(times).items() if key not in columns})
        faults.report(self)
        if not keep.all():
            columns = {name: column[keep] for name, column in columns.items()}
        times = None if times is None else _without_gaps(times[keep], latest)
        return Batch.of(columns, y[keep], number=rows.number[keep], time=times)

    def _labels(self, rows: Rows, faults: _Faults) -> NDArray[np.float64]:
        cells = rows.cells[self._target]
        y, unreadable = to_numbers(cells)
        missing = np.flatnonzero(np.isnan(y)).tolist()
        wrong = set(unreadable)
        for place in missing:
            what = f"is {cells[place]!r}, not a finite number" if place in wrong else "is missing"
            faults.row(place, f"its target {self._target} {what}")
        return y


@dataclass(kw_only=True, eq=False)
class FileTable(TableSource):
    """A file that holds a table."""

    path: Annotated[str, Meta(description="Path of the file")] = field(kw_only=False)
    target: Annotated[str | None, Meta(description="Column to predict")] = field(default=None, kw_only=False)

    @property
    def _target(self) -> str:
        return self.target or ""

    def _check_columns(self, columns: Collection[str]) -> None:
        """Raise ConfigError if the file has not the columns that are asked for."""
        listed = f"{', '.join(columns)}."
        if self.target is None:
            raise ConfigError(f"Which column of {self.path} is to be predicted?", hint=f"Choose a target: {listed}")
        if self.target not in columns:
            raise ConfigError(
                f"{self.path} has no target column {self.target!r}.",
                hint=f"{did_you_mean(self.target, columns)} The columns are: {listed}".lstrip(),
            )
        self._check_names(columns)


def _without_gaps(times: NDArray[np.float64], latest: float) -> NDArray[np.float64]:
    """Times in which one that is missing is that of the event before; 0 before the first one that is known."""
    known = np.isfinite(times)
    if known.all():
        return times
    place = np.maximum.accumulate(np.where(known, np.arange(len(times)), -1))
    return np.where(place >= 0, times[place], 0.0 if np.isnan(latest) else latest)
