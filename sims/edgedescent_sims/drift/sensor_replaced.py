"""Covariate drift: a sensor is replaced by one with another unit, or under another name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.standardized import numbers
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class SensorReplaced(Drift):
    """Covariate drift in which a sensor is replaced by one that measures the same in another unit.

    ::

        new_name <- factor x + offset        and, where it has a new name, x <- missing

    It changes what is reported, not the world: the label and its optimum stay as they were. In a gradual or incremental
    drift an event is of the new sensor with the probability s, as of many devices that are refitted one by one; where
    the unit itself creeps there is `CovariateScale`. A value that is missing stays so.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"watt": np.array([500.0, 700.0])}, np.ones(2)))
        >>> drift = SensorReplaced(stream, column="watt", factor=0.001, new_name="kilowatt", at=1)
        >>> [event["x"] for event in drift.events()]
        [{'watt': 500.0}, {'kilowatt': 0.7000000000000001}]
    """

    column: Annotated[str, Meta(description="Feature of the sensor")]
    factor: Annotated[float, Meta(description="Units of the new sensor in one of the old")] = 1.0
    offset: Annotated[float, Meta(description="What the new sensor measures at 0 of the old")] = 0.0
    new_name: Annotated[str | None, Meta(description="Feature of the new sensor; the same one if None")] = None

    def touched(self) -> frozenset[str]:
        """The feature, and that of the new sensor."""
        return frozenset({self.column}) | self.new_columns()

    def new_columns(self) -> frozenset[str]:
        """The feature of the new sensor, if it has a name of its own."""
        return frozenset() if self.new_name is None else frozenset({self.new_name})

    def label(self) -> str:
        """Description in a few words, for marks."""
        return " -> ".join([f"SensorReplaced {self.column}", *self.new_columns()])

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers([self.column])
        if self.new_name is not None:
            self.reference.require_new(self.new_name)
        else:
            otherwise = "its `factor` is 1, its `offset` 0, and it has no `new_name`"
            self.require_change(self.factor != 1 or self.offset != 0, otherwise)
        if self.factor == 0:
            raise ConfigError(
                f"The `factor` of SensorReplaced must not be 0: the new sensor of {self.column!r} would not measure.",
                "For a sensor that is gone there is SensorLost.",
            )

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with the readings of the new sensor."""
        is_new = self.switched(batch, share)
        old = numbers(batch, self.column)
        new = self.factor * old + self.offset
        if self.new_name is None:
            return batch.with_columns({self.column: choose(old, new, is_new)})
        gone = np.full(len(batch), np.nan)
        return batch.with_columns({self.column: choose(old, gone, is_new), self.new_name: choose(gone, new, is_new)})
