"""Covariate drift: a sensor appears, or is lost for good."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import is_present, missing, without_optimum
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class _SensorPresence(Drift):
    """A feature that is missing in one of the two regimes."""

    column: Annotated[str, Meta(description="Feature of the sensor")]

    def touched(self) -> frozenset[str]:
        """The feature."""
        return frozenset({self.column})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        present = is_present(self.reference.batch.column(self.column))
        # A column that a drift below adds later has no value among the first events.
        if self.column in self.reference.batch.columns:
            self.require_change(bool(present.any()), f"{self.column!r} has no value in the first {len(present)} events")

    @abstractmethod
    def _is_missing(self, is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """True for the events in which the sensor is missing, by whether they are of the new regime."""

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch without the feature where the sensor is missing."""
        column = batch.column(self.column)
        removed = self._is_missing(self.switched(batch, share)) & is_present(column)
        if not removed.any():
            return batch
        optimum = without_optimum(batch, removed)
        return batch.with_columns({self.column: missing(column, removed)}).replace(optimum=optimum)


class SensorAppears(_SensorPresence):
    """Covariate drift in which a new sensor appears: its feature is missing in all events before.

    ::

        x <- missing        with probability 1 - s

    The events of the new regime are those of the source, and so are all labels. Where a value is taken away the optimum
    is unknown (NaN): the best prediction without it is not that of the source.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"hum": np.array([0.5, 0.6])}, np.ones(2)))
        >>> [event["x"] for event in SensorAppears(stream, column="hum", at=1).events()]
        [{}, {'hum': 0.6}]
    """

    changes_old_regime: ClassVar[bool] = True

    def _is_missing(self, is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ~is_new


class SensorLost(_SensorPresence):
    """Covariate drift in which a sensor is lost: its feature is missing from then on.

    ::

        x <- missing        with probability s

    All labels stay. Where a value is taken away the optimum is unknown (NaN): the best prediction without it is not
    that of the source. For a sensor that is missing now and then there are faults.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"hum": np.array([0.5, 0.6])}, np.ones(2)))
        >>> [event["x"] for event in SensorLost(stream, column="hum", at=1).events()]
        [{'hum': 0.5}, {}]
    """

    def _is_missing(self, is_new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return is_new
