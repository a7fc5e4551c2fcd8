"""CSV files, plain or gzipped."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.sources.base import SourceOptions
from edgedescent_sims.sources.parsing import is_number
from edgedescent_sims.sources.tabular import Row, TabularSource
from edgedescent_sims.sources.text_files import first_line, open_text, stem_of

_COUNTED_BYTES_MAX = 64 * 1024 * 1024
"""Largest file whose rows are counted beforehand: a progress bar is not worth reading a larger one twice."""

_DELIMITERS = ",;\t|"


class CsvSource(TabularSource):
    """A CSV file with a header line, delimited by commas, semicolons, tabs or bars.

    Args:
        spec: Path of the file, gzipped if its name ends in `.gz`.
        options: `target` is required.

    Raises:
        ConfigError: If the file cannot be read, has no header, or has no such target column.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self._path = path = Path(spec)
        self._length: int | None = None
        self._delimiter = max(_DELIMITERS, key=first_line(path).count)
        with open_text(path) as stream:
            self._columns = [name.strip() for name in next(self._reader(stream), [])]
        target = self._check_header(options)
        super().__init__(stem_of(path), target, options)

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for every file: one that is not a CSV file gets an error that says so."""
        return Path(spec).is_file()

    def length(self) -> int | None:
        """Return the number of rows of a file that is not large; None for a large one."""
        if self._length is None and self._path.stat().st_size <= _COUNTED_BYTES_MAX:
            with open_text(self._path) as stream:
                self._length = sum(1 for cells in self._reader(stream) if cells) - 1
        return self._length

    def _reader(self, stream: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(stream, delimiter=self._delimiter)

    def _rows(self) -> Iterator[Row]:
        columns = self._columns
        at = columns.index(self.target)
        with open_text(self._path) as stream:
            lines = (cells for cells in self._reader(stream) if cells)
            next(lines, None)
            for number, cells in enumerate(lines, start=1):
                if len(cells) != len(columns):
                    self.skipped_rows.row(number, f"it has {len(cells)} cells where the header has {len(columns)}")
                    continue
                row: dict[str, object] = dict(zip(columns, cells, strict=True))
                del row[self.target]
                # A column without a name is the running index that data frames write; it is no feature.
                row.pop("", None)
                yield number, row, cells[at]

    def _check_header(self, options: SourceOptions) -> str:
        path, columns = self._path, self._columns
        if not any(columns):
            raise ConfigError(f"{path} is empty or has no header line.", hint="The first line must name the columns.")
        if all(map(is_number, columns)):
            raise ConfigError(
                f"The first line of {path} holds numbers, not names.",
                hint="The first line must name the columns.",
            )
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise ConfigError(f"{path} has more than one column named {repeated[0]!r}.")
        named = [name for name in columns if name]
        if options.target is None:
            raise ConfigError(
                f"Which column of {path} is to be predicted?",
                hint=f"Choose one with --target: {', '.join(named)}.",
            )
        if options.target not in named:
            raise ConfigError(
                f"{path} has no target column {options.target!r}.",
                hint=f"{did_you_mean(options.target, named)} The columns are: {', '.join(named)}.".lstrip(),
            )
        if options.target in options.drop:
            raise ConfigError(f"The target {options.target!r} cannot be dropped as well.")
        return options.target
