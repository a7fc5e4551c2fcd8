"""Files of `user::item::rating::time` lines, as streams of ratings in time order."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Event, Kind, SkippedRows, SourceOptions
from edgedescent_sims.sources.parsing import to_number
from edgedescent_sims.sources.text_files import first_line, open_text, stem_of

_SEPARATOR = "::"
_FIELDS = 4

_Rating = tuple[float, int, str, str, float]
"""Time, row number, user, item, rating."""


class RatingsSource:
    """Ratings sorted by time; equal times keep the order of the file, so every reading is the same stream.

    The whole file is held in memory, about 300 bytes a rating, because it has to be sorted.

    Args:
        spec: Path of the file, gzipped if its name ends in `.gz`.
        options: `target` and `drop` do not apply.

    Raises:
        ConfigError: If an option does not apply.
    """

    kind: Kind = "ratings"

    def __init__(self, spec: str, options: SourceOptions) -> None:
        if options.target is not None or options.drop:
            raise ConfigError(f"--target and --drop do not apply to {spec}: it holds ratings, not columns.")
        self._path = Path(spec)
        self.name = stem_of(self._path)
        self.skipped_rows = SkippedRows(options.notify)
        self._prefix = options.prefix_for(self.name)
        self._ratings: list[_Rating] | None = None

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for a file whose first line has the fields of a rating, whatever its name ends in."""
        path = Path(spec)
        return path.is_file() and first_line(path).count(_SEPARATOR) >= _FIELDS - 1

    def length(self) -> int | None:
        """Return the number of ratings, without faulty lines."""
        return len(self._sorted())

    def events(self) -> Iterator[Event]:
        """Yield `{"id", "user", "item", "y"}` in time order; ids carry the line number in the file.

        Raises:
            ConfigError: If the file cannot be read or holds no ratings.
        """
        for _, number, user, item, rating in self._sorted():
            yield {"id": f"{self._prefix}{number}", "user": user, "item": item, "y": rating}

    def _sorted(self) -> list[_Rating]:
        if self._ratings is None:
            self.skipped_rows.reset()
            with open_text(self._path) as stream:
                ratings = [
                    rating
                    for number, line in enumerate(stream, start=1)
                    if (rating := self._parse(number, line)) is not None
                ]
            if not ratings:
                raise ConfigError(f"{self._path} holds no ratings.", hint="Its lines must be user::item::rating::time.")
            ratings.sort(key=itemgetter(0))  # Python's sort is stable, which repeated readings rely on.
            self._ratings = ratings
        return self._ratings

    def _parse(self, number: int, line: str) -> _Rating | None:
        fields = line.strip().split(_SEPARATOR)
        if fields == [""]:
            return None
        if len(fields) != _FIELDS:
            self.skipped_rows.row(number, f"it has {len(fields)} fields, not user::item::rating::time")
            return None
        user, item, rating_text, time_text = fields
        try:
            rating, time = to_number(rating_text), to_number(time_text)
        except ValueError as fault:
            self.skipped_rows.row(number, f"its rating and time must be finite numbers ({fault})")
            return None
        if not user or not item or rating is None or time is None:
            self.skipped_rows.row(number, "a field is missing")
            return None
        return time, number, user, item, rating
