"""Base class of sources that are tables: selection of columns, and conversion of rows to events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Event, Kind, SkippedRows, SourceOptions, suggest
from edgedescent_sims.sources.parsing import is_number, to_number

HEAD_ROWS = 1000
"""Number of rows that decide whether a column holds numbers or words."""

Row = tuple[int, dict[str, object], object]
"""Number of a row, counted from 1, its cells by column, and its target."""


class TabularSource(ABC):
    """Rows of named cells and a target, as events `{"id", "x", "y"}` with nothing but numbers in them.

    A column is sent if its first thousand rows hold some number, and beside numbers only missing cells.

    Args:
        name: Name of the source.
        target: Name of the target, for notices.
        options: Options of the user.
    """

    kind: Kind = "features"

    def __init__(self, name: str, target: str, options: SourceOptions) -> None:
        self.name = name
        self.target = target
        self.skipped_rows = SkippedRows(options.notify)
        self._drop = frozenset(options.drop)
        self._prefix = options.prefix_for(name)
        self._notify = options.notify

    @abstractmethod
    def length(self) -> int | None:
        """Return the number of rows, None where counting them is expensive."""

    @abstractmethod
    def _rows(self) -> Iterator[Row]:
        """Yield the rows from the first one on, and report those that cannot be used."""

    def events(self) -> Iterator[Event]:
        """Yield one event for each row, from the first one on; `skipped_rows` counts what is left out.

        Raises:
            ConfigError: If there are no rows, a column to drop does not exist, or the target holds no numbers.
        """
        self.skipped_rows.reset()
        rows = self._rows()
        head = list(islice(rows, HEAD_ROWS))
        self._check_head(head)
        left_out = self._words(head) | self._drop
        for number, cells, target in chain(head, rows):
            try:
                y = to_number(target)
            except ValueError:
                self.skipped_rows.row(number, f"its target {self.target} is {target!r}, not a finite number")
                continue
            if y is None:
                self.skipped_rows.row(number, f"its target {self.target} is missing")
                continue
            yield {"id": f"{self._prefix}{number}", "x": self._features(number, cells, left_out), "y": y}

    def _features(self, number: int, cells: dict[str, object], left_out: Collection[str]) -> dict[str, float]:
        features = {}
        for column, cell in cells.items():
            if column in left_out:
                continue
            try:
                value = to_number(cell)
            except ValueError:
                self.skipped_rows.cell(number, column, cell)
                continue
            if value is not None:
                features[column] = value
        return features

    def _check_head(self, head: Sequence[Row]) -> None:
        if not head:
            raise ConfigError(f"{self.name} has no rows that could be sent.")
        columns = dict.fromkeys(column for _, cells, _ in head for column in cells)
        for column in sorted(self._drop - columns.keys()):
            raise ConfigError(
                f"{self.name} has no column {column!r} to drop.",
                hint=suggest(column, columns, "columns"),
            )
        if not any(is_number(target) for _, _, target in head):
            raise ConfigError(
                f"The target {self.target} of {self.name} holds no number, but for example {head[0][2]!r}.",
                hint="Only regression targets can be learned.",
            )

    def _words(self, head: Sequence[Row]) -> frozenset[str]:
        """Return the columns that do not hold numbers, and notify the user of them."""
        seen: dict[str, object] = {}
        numeric, words = set(), {}
        for _, cells, _ in head:
            for column, cell in cells.items():
                if column in words or column in self._drop:
                    continue
                seen.setdefault(column, cell)
                try:
                    if to_number(cell) is not None:
                        numeric.add(column)
                except ValueError:
                    if not _is_infinite(cell):
                        words[column] = cell
        words |= {column: cell for column, cell in seen.items() if column not in numeric and column not in words}
        if words:
            listed = ", ".join(f"{column} ({cell!r})" for column, cell in words.items())
            self._notify(f"Dropped, as only numbers can be learned from: {listed}.")
        if not numeric - words.keys():
            self._notify(f"{self.name} has no column of numbers beside its target: its events have no features.")
        return frozenset(words)


def _is_infinite(value: object) -> bool:
    return str(value).strip().lower().lstrip("+-") in {"inf", "infinity"}
