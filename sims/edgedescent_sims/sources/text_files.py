"""Reader of text files, plain or gzipped, that reports faults in one line."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from edgedescent.errors import ConfigError

_SUFFIXES = frozenset({".gz", ".csv", ".tsv", ".dat", ".txt"})
_FIRST_LINE_MAX = 1_000_000


def stem_of(path: Path) -> str:
    """Return a file's name without the suffixes that only say how it is stored.

    >>> stem_of(Path("data/hour.csv.gz"))
    'hour'
    """
    while path.suffix.lower() in _SUFFIXES:
        path = path.with_suffix("")
    return path.name


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file for reading, gzipped if its name ends in `.gz`.

    Raises:
        ConfigError: If the file cannot be opened, or what is read inside the `with` block is damaged.
    """
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        # utf-8-sig drops the byte order mark that spreadsheets put before the first column's name.
        with cast(TextIO, opener(path, "rt", encoding="utf-8-sig", newline="")) as stream:
            yield stream
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path} is not UTF-8 text: {fault}.", hint="Convert it with iconv first.") from fault
    except (OSError, EOFError, zlib.error, csv.Error) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else fault
        raise ConfigError(f"{path} cannot be read: {reason}.") from fault


def first_line(path: Path) -> str:
    """Return the first line of a text file, at most a million characters of it.

    Raises:
        ConfigError: If the file cannot be read.
    """
    with open_text(path) as stream:
        return stream.readline(_FIRST_LINE_MAX)
