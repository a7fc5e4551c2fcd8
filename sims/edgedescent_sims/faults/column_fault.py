"""Base class of the faults that change the values of features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.faults.base import Fault
from edgedescent_sims.sources.base import suggest
from edgedescent_sims.sources.batch import BATCH_EVENTS, Batch, Column

Alteration = Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[Any]]
"""Function that is given the values of one column and which of them can be touched, batch after batch, and returns the
values that arrive: the array itself where it changes none."""


@dataclass(kw_only=True, eq=False)
class ColumnFault(Fault):
    """A fault of the values of some columns, independently for each of them.

    A value that is missing stays missing. A subclass implements `alteration`.
    """

    takes_texts: ClassVar[bool] = False
    """True where the fault applies to columns of texts too."""

    columns: Annotated[
        tuple[str, ...], Meta(description="Names of the columns that it changes; none for all that it can change")
    ] = ()

    @abstractmethod
    def alteration(self, column: str) -> Alteration:
        """Return the function that changes one column, for one reading of the stream.

        Args:
            column: Name of the column; part of the seed of its draws.
        """

    def label(self) -> str:
        """Name of the fault and its columns."""
        return " ".join([type(self).__name__, *self.columns])

    def check(self) -> None:
        """Check that the columns exist and can be changed.

        Raises:
            ConfigError: If not.
        """
        super().check()
        if self.kind == "ratings" and not self.takes_texts:
            raise ConfigError(
                f"The fault {type(self).__name__} changes columns of numbers, and {self.name} holds ratings, whose "
                "user and item are texts."
            )
        seen: dict[str, bool] = {}
        # Nearly always the first batch has them all; only an error, or a sensor that comes late, needs a longer look.
        for batch in self.source.batches():
            seen.update({name: self._can_change(column) for name, column in batch.columns.items()})
            if all(name in seen for name in self.columns) and (self.columns or any(seen.values())):
                break
        for name in self.columns:
            if name not in seen:
                raise ConfigError(
                    f"The `columns` of {type(self).__name__} name {name!r}, which is no column of {self.name}.",
                    suggest(name, list(seen), "columns"),
                )
            if not seen[name]:
                raise ConfigError(self._refusal(name))
        if not any(seen.values()):
            raise ConfigError(f"The fault {type(self).__name__} finds no column of {self.name} that it can change.")

    def batches(self) -> Iterator[Batch]:
        """Yield the events with the columns changed.

        Raises:
            ConfigError: If a column that is named holds texts, and the fault needs numbers.
        """
        alterations: dict[str, Alteration] = {}
        n_touched = 0
        for batch in self.source.batches():
            touched = self.touches(batch.number)
            for name in self.columns or batch.columns:
                column = batch.column(name)
                if not self._can_change(column):
                    if self.columns:
                        raise ConfigError(self._refusal(name))
                elif name not in alterations:
                    alterations[name] = self._started(name, n_touched)
            n_touched += int(np.count_nonzero(touched))
            changed = {}
            for name, alter in alterations.items():
                values = batch.column(name)
                if not self._can_change(values):
                    values = np.full(len(batch), np.nan)
                # A column that the batch lacks is passed too: the draws must not depend on how the events are cut.
                after = alter(values, touched)
                if after is not values and values is batch.columns.get(name):
                    changed[name] = after
            yield batch.with_columns(changed) if changed else batch

    def _started(self, name: str, n_touched: int) -> Alteration:
        """Alteration of a column that comes into the stream after `n_touched` events that could be touched."""
        alter = self.alteration(name)
        for start in range(0, n_touched, BATCH_EVENTS):
            n_missing = min(BATCH_EVENTS, n_touched - start)
            alter(np.full(n_missing, np.nan), np.ones(n_missing, dtype=np.bool_))
        return alter

    def _can_change(self, column: Column) -> bool:
        return self.takes_texts or column.dtype != object

    def _refusal(self, name: str) -> str:
        return f"The `columns` of {type(self).__name__} name {name!r}, which holds texts: expected a column of numbers."
