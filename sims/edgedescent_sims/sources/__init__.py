"""Sources of events: files and data sets, opened by a path or a name.

A new kind of source is one file with a class of the shape of `OpenableSource`, and a line in `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent.registry import Registry
from edgedescent_sims.sources.base import (
    Event,
    Kind,
    Notify,
    OpenableSource,
    SkippedRows,
    Source,
    SourceOptions,
    ignore,
)

__all__ = [
    "SOURCES",
    "Event",
    "Kind",
    "Notify",
    "OpenableSource",
    "SkippedRows",
    "Source",
    "SourceOptions",
    "ignore",
    "open_source",
]

SOURCES: Registry[type[OpenableSource]] = Registry(
    "source",
    "edgedescent.sources",
    {
        # The first one that recognizes a path or a name opens it: a CSV file can be any file, a data set any name.
        "ratings": "edgedescent_sims.sources.ratings:RatingsSource",
        "recording": "edgedescent_sims.sources.recording:RecordingSource",
        "csv": "edgedescent_sims.sources.csv:CsvSource",
        "river": "edgedescent_sims.sources.river:RiverSource",
    },
)
"""Kinds of sources. Those of other packages, found by entry point, are asked before the built-in ones."""


def open_source(
    spec: str | Path,
    *,
    target: str | None = None,
    drop: Iterable[str] = (),
    id_prefix: str | None = None,
    notify: Notify = ignore,
) -> Source:
    """Open a source: a file of any kind in `SOURCES`, or a River data set by name.

    Args:
        spec: A path, gzipped if it ends in `.gz`; or the name of a River data set, in any case of letters.
        target: The column to predict. CSV files need it; the other kinds know theirs.
        drop: Columns to leave out.
        id_prefix: Text before the row number in the event ids; the source's name and a dash if None.
        notify: Called with one line for each notice to the user, such as a dropped column.

    Raises:
        ConfigError: If there is no such source, it cannot be read, or an option does not apply to it.

    >>> source = open_source("chickweights")  # doctest: +SKIP
    >>> next(source.events())  # doctest: +SKIP
    {'id': 'ChickWeights-1', 'x': {'time': 0.0, 'chick': 1.0, 'diet': 1.0}, 'y': 42.0}
    """
    options = SourceOptions(target, tuple(drop), id_prefix, notify)
    others = [name for name in SOURCES if name not in SOURCES.built_in]
    for name in (*others, *SOURCES.built_in):
        if SOURCES[name].recognizes(str(spec)):
            return SOURCES[name](str(spec), options)
    path = Path(spec)
    if path.exists():
        raise ConfigError(f"{spec} is not a file.", hint="Give a CSV file, a ratings file or a River data set.")
    raise ConfigError(f"There is no file {spec}.", hint=_files_like(path))


def _files_like(path: Path) -> str:
    folder = path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    otherwise = "Give a CSV file, a user::item::rating::time file, or the name of a River data set."
    return did_you_mean(path.name, names) or otherwise
