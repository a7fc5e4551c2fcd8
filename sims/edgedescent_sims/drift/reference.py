"""The first events of a stream: which columns it has, and what drifts estimate from their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.sources.base import Source, ignore, suggest
from edgedescent_sims.sources.batch import Batch

REFERENCE_EVENTS = 1000
"""Number of events, from the first one on, from which the columns and their centers and scales are known."""


def read_ahead(source: Source, n_events: int) -> Iterator[Batch]:
    """Batches of the first `n_events` of a source, however it cuts them; what it skips is not reported."""
    skipped = source.skipped_rows
    notify, skipped.notify = skipped.notify, ignore
    batches = source.batches()
    try:
        while n_events > 0 and (batch := next(batches, None)) is not None:
            yield batch.take(slice(0, n_events)) if len(batch) > n_events else batch
            n_events -= len(batch)
    finally:
        skipped.notify = notify
        if callable(close := getattr(batches, "close", None)):
            close()


class Reference:
    """First `REFERENCE_EVENTS` events of the stream that a drift changes.

    All its errors are of the class ConfigError, and name the drift.

    Args:
        owner: Name of the drift, for messages.
        source: Source that is read.
        added: Names of the columns that drifts below add later.

    Raises:
        ConfigError: If the source has no events.
    """

    def __init__(self, owner: str, source: Source, added: Sequence[str] = ()) -> None:
        batches = list(read_ahead(source, REFERENCE_EVENTS))
        if not sum(map(len, batches)):
            raise ConfigError(f"{source.name} has no events, so nothing can drift in it.")
        self.batch = Batch.concatenate(batches)
        self.columns = list(dict.fromkeys([*self.batch.columns, *added]))
        self._owner = owner
        self._name = source.name

    def require_columns(self, names: Sequence[str]) -> None:
        """Raise ConfigError unless there are all of these columns."""
        for name in names:
            if name not in self.columns:
                raise ConfigError(
                    f"The drift {self._owner} names the column {name!r}, which {self._name} does not have.",
                    suggest(name, self.columns, "columns"),
                )

    def require_new(self, name: str) -> None:
        """Raise ConfigError if there is a column of this name."""
        if name in self.columns:
            raise ConfigError(f"The drift {self._owner} adds the column {name!r}, which {self._name} has already.")

    def holds_texts(self, name: str) -> bool:
        """True if a column holds texts."""
        return self.batch.column(name).dtype == object

    def require_numbers(self, names: Sequence[str]) -> None:
        """Raise ConfigError unless there are all of these columns, and they hold numbers."""
        self.require_columns(names)
        for name in names:
            if self.holds_texts(name):
                raise ConfigError(
                    f"The drift {self._owner} needs numbers, and the column {name!r} of {self._name} holds texts."
                )

    def require_distinct(self, names: Sequence[str]) -> None:
        """Raise ConfigError if a column is named twice."""
        if len(set(names)) < len(names):
            raise ConfigError(f"The `columns` of {self._owner} must be different ones. Got {tuple(names)!r}.")

    def centers(self, names: Sequence[str], given: Sequence[float] = ()) -> NDArray[np.float64]:
        """Centers of columns: those that are given, or their means; ConfigError if one cannot be estimated."""
        if given:
            return self.one_each("centers", names, given)
        return np.array([self._present("centers", name).mean() for name in names])

    def scales(self, names: Sequence[str], given: Sequence[float] = ()) -> NDArray[np.float64]:
        """Scales of columns: those that are given, or their standard deviations; ConfigError if one is unknown or 0."""
        if given:
            return self.one_each("scales", names, given)
        estimates = np.array([self._present("scales", name).std() for name in names])
        for name, scale in zip(names, estimates.tolist(), strict=True):
            if scale == 0:
                raise ConfigError(
                    f"The drift {self._owner} needs the scale of {name!r}, which is constant in the first "
                    f"{len(self.batch)} events of {self._name}.",
                    "Give its `scales`.",
                )
        return estimates

    def one_each(self, field: str, names: Sequence[str], given: Sequence[float]) -> NDArray[np.float64]:
        """The values of a field as an array; ConfigError unless there is one for each column."""
        if len(given) != len(names):
            raise ConfigError(
                f"The `{field}` of {self._owner} must be {len(names)} values, one for each column. Got {given!r}."
            )
        return np.array(given, dtype=np.float64)

    def _present(self, field: str, name: str) -> NDArray[np.float64]:
        column = self.batch.column(name).astype(np.float64)
        values = column[np.isfinite(column)]
        if not len(values):
            raise ConfigError(
                f"The drift {self._owner} needs the {field} of {name!r}, which has no value in the first "
                f"{len(column)} events of {self._name}.",
                f"Give its `{field}`.",
            )
        return values
