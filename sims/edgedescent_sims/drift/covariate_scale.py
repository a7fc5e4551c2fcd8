"""Covariate drift: a feature is reported in another scale or unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import interpolate
from edgedescent_sims.drift.standardized import numbers
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class CovariateScale(Drift):
    """Covariate drift that stretches a feature, as by a change of its unit, range or gain.

    ::

        x <- x + s (center + factor (x - center) + offset - x)

    It changes what is reported, not the world: the label and its optimum stay as they were, so the weight of the
    reported feature is divided by the factor. From °C to K it is an offset of 273.15, from °C to °F a factor of 1.8 and
    an offset of 32, from W to kW a factor of 0.001. A value that is missing stays so.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"temp": np.array([20.0, 20.0])}, np.ones(2)))
        >>> drift = CovariateScale(stream, column="temp", factor=1.8, offset=32, at=1)
        >>> [event["x"]["temp"] for event in drift.events()]
        [20.0, 68.0]
    """

    column: Annotated[str, Meta(description="Feature that is stretched")]
    factor: Annotated[float, Meta(gt=0, description="What its distances from the center are multiplied by")] = 1.0
    offset: Annotated[float, Meta(description="What is added afterwards")] = 0.0
    center: Annotated[float, Meta(description="Value that the factor leaves as it is")] = 0.0

    def touched(self) -> frozenset[str]:
        """The feature."""
        return frozenset({self.column})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers([self.column])
        self.require_change(self.factor != 1 or self.offset != 0, "its `factor` is 1 and its `offset` 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its feature stretched."""
        old = numbers(batch, self.column)
        new = self.factor * (old - self.center) + (self.center + self.offset)
        return batch.with_columns({self.column: interpolate(old, new, share)})
