"""Parquet files as streams of events."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import SourceOptions
from edgedescent_sims.sources.batch import BATCH_EVENTS
from edgedescent_sims.sources.columns import Cells
from edgedescent_sims.sources.table import FileTable, Rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
"""First bytes of every Parquet file."""


@dataclass(kw_only=True, eq=False)
class ParquetSource(FileTable):
    """A Parquet file, read piece by piece.

    Columns of texts are judged as those of a CSV file are, see `TableSource`; numbers and times are what the file says.
    The number of an event is that of its row.

    Raises:
        ConfigError: If pyarrow is not installed, the file cannot be read, or it has no such column.
    """

    _columns: list[str] = field(default_factory=list, init=False, repr=False)
    _n_rows: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        super().__post_init__()
        with _opened(self.path) as file:
            self._columns = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]
            self._n_rows = file.metadata.num_rows
        self._check_columns(self._columns)

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for a file that begins as every Parquet file does."""
        path = Path(spec)
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(_MAGIC)) == _MAGIC

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the source for a file; the options need a target."""
        return cls(spec, options.target, drop=options.drop, categories=options.categories, time=options.time)

    @property
    def name(self) -> str:
        """Name of the file without its suffix."""
        return Path(self.path).stem

    def length(self) -> int | None:
        """Return the number of rows."""
        rows = max(self._n_rows - self.skip, 0)
        return rows if self.limit is None else min(rows, self.limit)

    def _rows(self) -> Iterator[Rows]:
        start, stop = self.skip, self.skip + (self.length() or 0)
        position = 0
        columns = [name for name in self._columns if name not in self.drop]
        with _opened(self.path) as file:
            for table in _reading(self.path, file.iter_batches(BATCH_EVENTS, columns=columns)):
                low, high = max(start - position, 0), min(stop - position, table.num_rows)
                if low < high:
                    part = table.slice(low, high - low)
                    numbers = np.arange(position + low, position + high, dtype=np.int64) - self.skip + 1
                    cells = {name: _cells(part.column(name)) for name in columns}
                    # A dropped column is named to the checks, but not read.
                    cells.update({name: [None] * len(numbers) for name in self.drop})
                    yield Rows(numbers, cells, [])
                position += table.num_rows
                if position >= stop:
                    return


def _cells(column: pa.Array) -> Cells:
    """A column as NumPy's numbers or times, or as Python objects."""
    import pyarrow as pa

    kind = column.type
    if (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
    ):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        times = column.cast(pa.timestamp("us"), safe=False)
        return np.asarray(times.to_numpy(zero_copy_only=False), dtype="datetime64[us]")
    if pa.types.is_time(kind):
        return np.asarray(column.cast(pa.time64("us")).cast(pa.int64()).to_numpy(zero_copy_only=False) / 3.6e9)
    objects: list[Any] = column.to_pylist()
    return [cell.decode(errors="backslashreplace") if isinstance(cell, bytes) else cell for cell in objects]


def _opened(path: str) -> pq.ParquetFile:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(
            "pyarrow is not installed, so Parquet files cannot be read.", "Run: pip install 'edgedescent[simulate]'"
        ) from error
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _reading(path: str, pieces: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The pieces, with an error of the project's where the file is damaged."""
    import pyarrow as pa

    try:
        yield from pieces
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    return ConfigError(f"{path} cannot be read: {reason}.")
