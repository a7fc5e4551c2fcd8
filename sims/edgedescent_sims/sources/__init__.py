"""Sources of events: files, data sets and generators, opened by a path or a name.

A new kind of source is one file with a class derived from `Source`, and a line in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent.registry import Registry
from edgedescent_sims.sources.base import Kind, Mark, Notify, SkippedRows, Source, SourceOptions, Transform, ignore
from edgedescent_sims.sources.batch import Batch, Event
from edgedescent_sims.sources.csv import CsvSource
from edgedescent_sims.sources.friedman_stream import FriedmanStream
from edgedescent_sims.sources.in_memory import InMemorySource
from edgedescent_sims.sources.journal import JournalSource
from edgedescent_sims.sources.linear_stream import LinearStream
from edgedescent_sims.sources.parquet import ParquetSource
from edgedescent_sims.sources.ratings import RatingsSource
from edgedescent_sims.sources.resting_sensor import RestingSensor
from edgedescent_sims.sources.river import RiverSource
from edgedescent_sims.sources.sensor_stream import SensorStream
from edgedescent_sims.sources.sparse_stream import SparseStream
from edgedescent_sims.sources.taste_stream import TasteStream

__all__ = [
    "SOURCES",
    "Batch",
    "CsvSource",
    "Event",
    "FriedmanStream",
    "InMemorySource",
    "JournalSource",
    "Kind",
    "LinearStream",
    "Mark",
    "Notify",
    "ParquetSource",
    "RatingsSource",
    "RestingSensor",
    "RiverSource",
    "SensorStream",
    "SkippedRows",
    "Source",
    "SourceOptions",
    "SparseStream",
    "TasteStream",
    "Transform",
    "ignore",
    "open_source",
]

_BUILT_IN: tuple[type[Source], ...] = (
    # The first one that recognizes a path or a name opens it: a CSV file can be any file, a data set any name.
    LinearStream,
    FriedmanStream,
    SensorStream,
    SparseStream,
    RestingSensor,
    TasteStream,
    ParquetSource,
    RatingsSource,
    JournalSource,
    CsvSource,
    RiverSource,
)

SOURCES: Registry[type[Source]] = Registry(
    "source",
    "edgedescent.sources",
    {kind.__name__: f"{kind.__module__}:{kind.__name__}" for kind in _BUILT_IN},
    base=Source,
)
"""Kinds of sources. Those of other packages, found by entry point, are asked before the built-in ones."""


def open_source(
    spec: str | Path,
    *,
    target: str | None = None,
    drop: Iterable[str] = (),
    categories: Iterable[str] = (),
    time: str | None = None,
    notify: Notify = ignore,
) -> Source:
    """Open a source: a file of any kind in `SOURCES`, a state folder, a generator, or a River data set by name.

    Args:
        spec: A path, gzipped if it ends in `.gz`; or the name of a generator or River data set.
        target: The column to predict. CSV and Parquet files need it; the other kinds know theirs.
        drop: Columns to leave out.
        categories: Columns to read as categories, whatever they hold.
        time: Column with the time of the events; found by its content if None.
        notify: Called with one line for each notice to the user, such as a column that is left out.

    Raises:
        ConfigError: If there is no such source, it cannot be read, or an option does not apply to it.

    >>> source = open_source("chickweights")  # doctest: +SKIP
    >>> next(source.events())  # doctest: +SKIP
    {'id': 'ChickWeights-1', 'x': {'time': 0.0, 'chick': 1.0, 'diet': 1.0}, 'y': 42.0}
    """
    options = SourceOptions(target=target, drop=tuple(drop), categories=tuple(categories), time=time)
    others = [name for name in SOURCES if name not in SOURCES.built_in]
    for name in (*others, *SOURCES.built_in):
        if SOURCES[name].recognizes(str(spec)):
            source = SOURCES[name].open(str(spec), options)
            source.skipped_rows.notify = notify
            return source
    path = Path(spec)
    if path.exists():
        hint = "Give a CSV or Parquet file, a ratings file, a journal, or a River data set."
        raise ConfigError(f"{spec} is not a file, and no state folder.", hint)
    raise ConfigError(f"There is no file {spec}.", hint=_files_like(path))


def _files_like(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    otherwise = "Give a CSV or Parquet file, a user::item::rating::time file, or the name of a River data set."
    return did_you_mean(path.name, names) or otherwise
