"""Concept drift: the effect of a feature changes its sign."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.standardized import Centers, Columns, numbers
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class SignFlip(Drift):
    """Concept drift that flips the sign of the effect of features, without changing their center or spread.

    ::

        x_i <- 2 center_i - x_i

    The label and its optimum stay: what a value above the center meant is now meant by one below. A value that is
    missing stays so. In a gradual or incremental drift an event is mirrored with the probability s, so that the
    expected slope falls linearly from w through 0 to -w. For a column of texts there is `CategorySwap`.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"tide": np.array([1.0, 2.0, 6.0])}, np.array([10.0, 20.0, 60.0])))
        >>> [event["x"]["tide"] for event in SignFlip(stream, columns=("tide",), at=1).events()]
        [1.0, 4.0, 0.0]
    """

    columns: Annotated[Columns, Meta(min_length=1, description="Features whose effects flip")]
    centers: Centers = ()

    @functools.cached_property
    def _centers(self) -> NDArray[np.float64]:
        return self.reference.centers(self.columns, self.centers)

    def touched(self) -> frozenset[str]:
        """The features."""
        return frozenset(self.columns)

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers(self.columns)
        self.reference.require_distinct(self.columns)
        _ = self._centers

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its features mirrored."""
        is_new = self.switched(batch, share)
        old = {name: numbers(batch, name) for name in self.columns}
        mirrored = zip(old.items(), self._centers.tolist(), strict=True)
        return batch.with_columns({name: choose(x, 2 * center - x, is_new) for (name, x), center in mirrored})
