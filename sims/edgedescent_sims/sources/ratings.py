"""Files of ratings as streams in time order: `user::item::rating::time` lines, and CSV files with such columns."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self, TextIO

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Kind, Source, SourceOptions
from edgedescent_sims.sources.batch import BATCH_EVENTS, Batch, Column
from edgedescent_sims.sources.columns import HEAD_ROWS
from edgedescent_sims.sources.parsing import to_numbers
from edgedescent_sims.sources.text_files import first_line, open_text, stem_of
from edgedescent_sims.sources.times import find_format, to_times

_SEPARATOR = "::"
_FIELDS = ("user", "item", "rating", "time")
_COLUMNS = {
    "user": {"user", "userid"},
    "item": {"item", "itemid", "movie", "movieid", "product", "productid", "book", "bookid", "track", "trackid"},
    "rating": {"rating", "score", "stars"},
    "time": {"time", "timestamp", "date", "datetime"},
}
"""Names of columns, in small letters and without underscores, by what they hold."""


@dataclass(kw_only=True, eq=False)
class RatingsSource(Source):
    r"""Ratings in time order; equal times keep the order of the file, so every reading is the same stream.

    The number of an event is its place in that order. The whole file is held in memory, about 100 bytes a rating,
    because it has to be sorted.

    Raises:
        ConfigError: If the file cannot be read, or is no file of ratings.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "r.csv")
        ...     _ = path.write_text("userId,movieId,rating,timestamp\n1,7,4.5,200\n2,8,3.0,100\n")
        ...     print(*RatingsSource(str(path)).events(), sep="\n")
        {'id': 'r-1', 'user': '2', 'item': '8', 'y': 3.0}
        {'id': 'r-2', 'user': '1', 'item': '7', 'y': 4.5}
    """

    path: Annotated[str, Meta(description="Path of the file")] = field(kw_only=False)
    likes_from: Annotated[
        float | None,
        Meta(
            description="Least rating that counts as a like: others are left out, and labels are 1; all ratings if None"
        ),
    ] = None
    skip: Annotated[int, Meta(ge=0, description="Number of ratings to pass over; the next one has number 1")] = 0
    limit: Annotated[int | None, Meta(ge=1, description="Most ratings; all if None")] = None

    _sorted: Batch | None = field(default=None, init=False, repr=False)
    _left_out: list[tuple[int, str]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        super().__post_init__()

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for a file whose first line has, or names, the fields of a rating."""
        path = Path(spec)
        if not path.is_file():
            return False
        line = first_line(path)
        return _is_separated(line) or _columns_of(line) is not None

    @classmethod
    def open(cls, spec: str, options: SourceOptions) -> Self:
        """Return the source for a file; no option applies."""
        options.refuse(spec, "it holds ratings, not columns of features")
        return cls(spec)

    @property
    def name(self) -> str:
        """Name of the file without its suffixes."""
        return stem_of(Path(self.path))

    @property
    def kind(self) -> Kind:
        """Ratings."""
        return "ratings"

    def length(self) -> int | None:
        """Return the number of ratings, without faulty lines."""
        return len(self._read())

    def batches(self) -> Iterator[Batch]:
        """Yield the ratings in time order.

        Raises:
            ConfigError: If the file cannot be read or holds no ratings.
        """
        ratings = self._read()
        self.skipped_rows.reset()
        for number, reason in self._left_out:
            self.skipped_rows.row(number, reason)
        for start in range(0, len(ratings), BATCH_EVENTS):
            yield ratings.take(slice(start, start + BATCH_EVENTS))

    def _read(self) -> Batch:
        if self._sorted is None:
            self._left_out = []
            users, items, ratings, times = self._parsed()
            order = np.argsort(times, kind="stable")
            if self.likes_from is not None:
                order = order[ratings[order] >= self.likes_from]
                ratings = np.ones_like(ratings)
            order = order[self.skip : None if self.limit is None else self.skip + self.limit]
            if not len(order):
                raise ConfigError(f"{self.path} holds no ratings.", hint="Its lines must be user::item::rating::time.")
            self._sorted = Batch.of({"user": users[order], "item": items[order]}, ratings[order], time=times[order])
        return self._sorted

    def _parsed(self) -> tuple[Column, Column, NDArray[np.float64], NDArray[np.float64]]:
        """Users, items, ratings and times of the usable lines, in the order of the file."""
        lines = list(self._lines())
        numbers, users, items, rating_cells, time_cells = zip(*lines, strict=True) if lines else ((),) * 5
        ratings, wrong_ratings = to_numbers(rating_cells)
        times, wrong_times = _times(time_cells)
        wrong = {*wrong_ratings, *wrong_times}
        usable = np.ones(len(lines), dtype=bool)
        for place, (user, item) in enumerate(zip(users, items, strict=True)):
            if place in wrong:
                reason = f"its rating is {rating_cells[place]!r} and its time {time_cells[place]!r}"
            elif not user or not item or np.isnan(ratings[place]) or np.isnan(times[place]):
                reason = "a field is missing"
            else:
                continue
            usable[place] = False
            self._left_out.append((numbers[place], reason))
        self._left_out.sort()
        as_objects = [np.fromiter(texts, object, len(lines)) for texts in (users, items)]
        return as_objects[0][usable], as_objects[1][usable], ratings[usable], times[usable]

    def _lines(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Number, user, item, rating and time of the lines that have these fields; a user is kept once in memory."""
        known: dict[str, str] = {}
        with open_text(Path(self.path)) as stream:
            for number, fields in self._rows(stream):
                if len(fields) == len(_FIELDS):
                    user, item, rating, time = (field.strip() for field in fields)
                    yield number, known.setdefault(user, user), known.setdefault(item, item), rating, time
                else:
                    reason = f"it has {len(fields)} fields, not user::item::rating::time"
                    self._left_out.append((number, reason))

    def _rows(self, stream: TextIO) -> Iterator[tuple[int, list[str]]]:
        """Number and fields of each line that is not empty; the first line of a CSV file is its header."""
        header = first_line(Path(self.path))
        if _is_separated(header):
            for number, line in enumerate(stream, start=1):
                if text := line.strip():
                    yield number, text.split(_SEPARATOR)
            return
        places = _columns_of(header)
        if places is None:
            raise ConfigError(
                f"{self.path} holds no ratings.",
                hint="Its lines must be user::item::rating::time, or its columns userId, itemId, rating and timestamp.",
            )
        reader = csv.reader(stream)
        width = len(next(reader))
        for number, cells in enumerate(filter(None, reader), start=1):
            yield number, [cells[place] for place in places] if len(cells) == width else cells[: len(_FIELDS) - 1]


def _times(cells: Sequence[str]) -> tuple[NDArray[np.float64], list[int]]:
    """Unix times; cells that are no numbers are read as dates if they are."""
    numbers, wrong = to_numbers(cells)
    if wrong and (parse := find_format(cells[:HEAD_ROWS])) is not None:
        return to_times(cells, parse)
    return numbers, wrong


def _is_separated(line: str) -> bool:
    return line.count(_SEPARATOR) >= len(_FIELDS) - 1


def _columns_of(header: str) -> list[int] | None:
    """Places of user, item, rating and time among the columns of a CSV file; None if it has not all of them."""
    names = [name.strip().strip('"').lower().replace("_", "") for name in header.split(",")]
    found = [next((place for place, name in enumerate(names) if name in _COLUMNS[field]), None) for field in _FIELDS]
    places = [place for place in found if place is not None]
    return places if len(places) == len(_FIELDS) else None
