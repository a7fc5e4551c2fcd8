"""Titles of rated items, from a table that lies beside the file of ratings."""

from __future__ import annotations

import csv
from pathlib import Path

from edgedescent_sims.sources.text_files import open_text

_STEMS = ("movies", "items", "titles", "books", "products")
_SUFFIXES = (".csv", ".dat", ".csv.gz", ".dat.gz")
_TITLES = {"title", "name"}


def titles_beside(path: Path) -> dict[str, str]:
    r"""Return titles by item id, from a file such as ``movies.csv.gz`` in the folder of `path`; empty if there is none.

    The file has a header with a column `title` or `name` behind the ids, or lines like ``7::Sabrina (1995)::Comedy``.

    Args:
        path: File of ratings.

    Raises:
        ConfigError: If the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "movies.csv").write_text("movieId,title\n7,Sabrina (1995)\n")
        ...     titles_beside(Path(folder, "ratings.csv"))
        {'7': 'Sabrina (1995)'}
    """
    names = (path.parent / f"{stem}{suffix}" for stem in _STEMS for suffix in _SUFFIXES)
    found = next((each for each in names if each.is_file() and each != path), None)
    if found is None:
        return {}
    with open_text(found) as lines:
        if ".dat" in found.suffixes:
            rows = [line.rstrip("\n").split("::") for line in lines]
            return {row[0]: row[1] for row in rows if len(row) > 1}
        reader = csv.reader(lines)
        header = [name.strip().lower() for name in next(reader, [])]
        column = next((j for j, name in enumerate(header) if name in _TITLES), None)
        return {} if column is None else {row[0]: row[column] for row in reader if len(row) > column}
