"""Covariate drift: features are reported with an offset."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import interpolate
from edgedescent_sims.drift.standardized import Columns, numbers
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class CovariateShift(Drift):
    """Covariate drift that shifts features, as by a sensor that is mounted elsewhere or ages.

    ::

        x_i <- x_i + s offsets_i

    It changes what is reported, not the world: the label and its optimum stay as they were, so the relation between
    the reported feature and the label moves by the offset. A value that is missing stays so.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"temp": np.array([20.0, 20.0, 20.0])}, np.ones(3)))
        >>> drift = CovariateShift(stream, columns=("temp",), offsets=(4.0,), at=1, shape="incremental", width=2)
        >>> [event["x"]["temp"] for event in drift.events()]
        [20.0, 22.0, 24.0]
    """

    columns: Annotated[Columns, Meta(min_length=1, description="Features that shift")]
    offsets: Annotated[tuple[float, ...], Meta(min_length=1, description="Offset of each")]

    @functools.cached_property
    def _offsets(self) -> NDArray[np.float64]:
        return self.reference.one_each("offsets", self.columns, self.offsets)

    def touched(self) -> frozenset[str]:
        """The features."""
        return frozenset(self.columns)

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers(self.columns)
        self.reference.require_distinct(self.columns)
        self.require_change(bool(self._offsets.any()), "its `offsets` are 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its features shifted."""
        shifted = {}
        for name, offset in zip(self.columns, self._offsets.tolist(), strict=True):
            old = numbers(batch, name)
            shifted[name] = interpolate(old, old + offset, share)
        return batch.with_columns(shifted)
