"""CSV files, plain or gzipped, as streams of events."""

from __future__ import annotations

import csv
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent.formats._csv_reader import read_rows
from edgedescent_sims.sources.base import SourceOptions
from edgedescent_sims.sources.batch import BATCH_EVENTS
from edgedescent_sims.sources.columns import Cells
from edgedescent_sims.sources.parsing import is_number
from edgedescent_sims.sources.table import FileTable, Rows
from edgedescent_sims.sources.text_files import LineReader, first_line, open_binary, open_text, stem_of

_COUNTED_BYTES_MAX = 512 * 1024 * 1024
"""Largest file whose rows are counted beforehand: a progress bar is not worth reading a larger one twice."""

_PIECE_ROWS = 256
"""Number of rows that are lists of Python's at a time: more would be slower by half, for they leave the cache."""

_ODD_LINE_END = re.compile(rb"\r[^\n]|\n\r\n")
"""Line ends of old systems, and empty lines."""

_DELIMITERS = ",;\t|"


@dataclass(kw_only=True, eq=False)
class CsvSource(FileTable):
    r"""A CSV file with a header line, delimited by commas, semicolons, tabs or bars.

    It is read as gzipped if its name ends in ``.gz``. What its columns hold is inferred from the first 1000 rows;
    see `TableSource`. The file is read piece by piece, so memory does not grow with its length. The number of an event
    is that of its row.

    Raises:
        ConfigError: If the file cannot be read, has no header, or has no such column.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "pump.csv")
        ...     _ = path.write_text("time,site,temp,flow\n2024-05-01T06:00,north,20.5,3.25\n")
        ...     print(*CsvSource(str(path), "flow", calendar=False).events())
        {'id': 'pump-1', 'x': {'temp': 20.5, 'site': 'north'}, 'y': 3.25}
    """

    _columns: list[str] = field(default_factory=list, init=False, repr=False)
    _delimiter: str = field(default=",", init=False, repr=False)
    _length: int | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        super().__post_init__()
        path = Path(self.path)
        self._delimiter = max(_DELIMITERS, key=first_line(path).count)
        with open_text(path) as stream:
            self._columns = [name.strip() for name in next(self._reader(stream), [])]
        self._check_header()

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for every file: one that is not a CSV file gets an error that says so."""
        return Path(spec).is_file()

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the source for a file; the options need a target."""
        return cls(spec, options.target, drop=options.drop, categories=options.categories, time=options.time)

    @property
    def name(self) -> str:
        """Name of the file without its suffixes."""
        return stem_of(Path(self.path))

    def length(self) -> int | None:
        """Return the number of rows; of a very large file only the limit, None without one."""
        if self._length is None and Path(self.path).stat().st_size <= _COUNTED_BYTES_MAX:
            self._length = max(self._count() - self.skip, 0)
        if self._length is None or self.limit is None:
            return self.limit if self._length is None else self._length
        return min(self._length, self.limit)

    def _count(self) -> int:
        """Number of rows behind the header."""
        with open_binary(Path(self.path)) as stream:
            # Without quotes and empty lines, every line is a row; counting line ends is far faster than parsing.
            count, last = 0, b"\n"
            while chunk := stream.read(1 << 20):
                joined = last + chunk
                if b'"' in chunk or b"\n\n" in joined or (b"\r" in joined and _ODD_LINE_END.search(joined)):
                    break
                count += chunk.count(b"\n")
                last = chunk[-2:]
            else:
                return count - last.endswith(b"\n")
        with open_text(Path(self.path)) as text:
            return sum(1 for cells in self._reader(text) if cells) - 1

    def _reader(self, stream: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(stream, delimiter=self._delimiter)

    def _rows(self) -> Iterator[Rows]:
        width = len(self._columns)
        with open_binary(Path(self.path)) as stream:
            lines = LineReader(stream)
            rows: Iterator[list[str]] = filter(None, self._reader(lines))
            next(rows, None)
            for _ in islice(rows, self.skip):
                pass
            first, last = 1, sys.maxsize if self.limit is None else self.limit
            while first <= last:
                n_rows = min(BATCH_EVENTS, last - first + 1)
                if (is_read := self._numeric_columns()) is not None:
                    numbers = np.empty((width, n_rows))
                    n_read, position = read_rows(lines.bytes, lines.position, ord(self._delimiter), is_read, numbers)
                    if n_read < n_rows and lines.runs_low() and lines.fill():
                        # Most likely the bytes in memory ended within a row.
                        n_read, position = read_rows(
                            lines.bytes, lines.position, ord(self._delimiter), is_read, numbers
                        )
                    lines.skip_to(position)
                    if n_read:
                        yield self._numeric(first, numbers[:, :n_read], is_read)
                        first += n_read
                        continue
                    # What is unusual in a file is often rare: the fast path is tried again soon.
                    n_rows = min(n_rows, _PIECE_ROWS)
                piece = self._parsed(rows, first, n_rows)
                if piece is None:
                    return
                yield piece[0]
                first += piece[1]

    def _numeric_columns(self) -> bytes | None:
        """Which columns are read as numbers, once the layout is known; None if a text is among those that are used."""
        layout = self._layout
        if layout is None or layout.time is not None or layout.categories:
            return None
        used = {*layout.numbers, self._target}
        return bytes(name in used for name in self._columns)

    def _numeric(self, first: int, numbers: NDArray[np.float64], is_read: bytes) -> Rows:
        """Rows of numbers alone."""
        number = np.arange(first, first + numbers.shape[1], dtype=np.int64)
        columns = zip(self._columns, numbers, is_read, strict=True)
        return Rows(number, {name: column for name, column, read in columns if read}, [])

    def _parsed(self, rows: Iterator[list[str]], first: int, n_rows: int) -> tuple[Rows, int] | None:
        """Next rows, of any cells, and how many lines of the file they are; None at the end."""
        columns, width = self._columns, len(self._columns)
        cells: list[list[object]] = [[] for _ in columns]
        faults: list[tuple[int, str]] = []
        last = first - 1
        while (left := n_rows - (last - first + 1)) and (piece := list(islice(rows, min(left, _PIECE_ROWS)))):
            last += len(piece)
            if set(map(len, piece)) != {width}:
                faults += [
                    (number, f"it has {len(row)} cells where the header has {width}")
                    for number, row in enumerate(piece, start=last - len(piece) + 1)
                    if len(row) != width
                ]
                piece = [row for row in piece if len(row) == width]
            if piece:
                for column, part in zip(cells, zip(*piece, strict=True), strict=True):
                    column.extend(part)
        if last < first:
            return None
        number = np.arange(first, last + 1, dtype=np.int64)
        if faults:
            number = np.delete(number, [faulty - first for faulty, _ in faults])
        # A column without a name is the running index that data frames write; it is no feature.
        named: dict[str, Cells] = {name: each for name, each in zip(columns, cells, strict=True) if name}
        return Rows(number, named, faults), last - first + 1

    def _check_header(self) -> None:
        path, columns = self.path, self._columns
        hint = "The first line must name the columns."
        if not any(columns):
            raise ConfigError(f"{path} is empty or has no header line.", hint)
        if all(map(is_number, columns)):
            raise ConfigError(f"The first line of {path} holds numbers, not names.", hint)
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise ConfigError(f"{path} has more than one column named {repeated[0]!r}.")
        self._check_columns([name for name in columns if name])
