"""Concept drift: two features begin to interact."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import LABEL, Drift
from edgedescent_sims.drift.mixing import relabelled
from edgedescent_sims.drift.standardized import Centers, Columns, Scales, standardized
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class InteractionAppears(Drift):
    """Concept drift that adds the product of two features to the label, which no linear learner can follow.

    ::

        y <- y + s weight z_i z_j        z_i = (x_i - center_i) / scale_i, 0 where x_i is missing

    `target` and `optimum` change alike; the features stay.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"heat": np.array([1.0, 2.0]), "load": np.array([3.0, 4.0])}
        >>> stream = InMemorySource(Batch.of(columns, np.array([0.0, 0.0])))
        >>> drift = InteractionAppears(stream, columns=("heat", "load"), centers=(0, 0), scales=(1, 1), at=1)
        >>> [event["y"] for event in drift.events()]
        [0.0, 8.0]
    """

    columns: Annotated[Columns, Meta(min_length=2, max_length=2, description="The two features")]
    weight: Annotated[float, Meta(description="Weight of their product")] = 1.0
    centers: Centers = ()
    scales: Scales = ()

    @functools.cached_property
    def _standards(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.reference.centers(self.columns, self.centers), self.reference.scales(self.columns, self.scales)

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def label(self) -> str:
        """Description in a few words, for marks."""
        return f"InteractionAppears {' x '.join(self.columns)}"

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers(self.columns)
        self.reference.require_distinct(self.columns)
        _ = self._standards
        self.require_change(self.weight != 0, "its `weight` is 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its labels changed."""
        change = np.full(len(batch), self.weight)
        for name, center, scale in zip(self.columns, *self._standards, strict=True):
            change *= standardized(batch, name, center, scale)
        return relabelled(batch, share, lambda y: y + change)
