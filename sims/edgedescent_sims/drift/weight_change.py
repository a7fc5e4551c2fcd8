"""Concept drift: the weights of features change."""

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
class WeightChange(Drift):
    """Concept drift that changes the weights of features: a linear function of them is added to the label.

    ::

        y <- y + s sum_i deltas_i z_i        z_i = (x_i - center_i) / scale_i, 0 where x_i is missing

    `target` and `optimum` change alike; the features stay. With a center of 0 and a scale of 1, `deltas` is the change
    of the weights themselves; estimated, they are the means and standard deviations of the first 1000 events, so that
    `deltas` is in units of the label per standard deviation.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"load": np.array([1.0, 2.0, 3.0])}, np.array([5.0, 5.0, 5.0])))
        >>> drift = WeightChange(stream, columns=("load",), deltas=(10.0,), centers=(0.0,), scales=(1.0,), at=1)
        >>> [event["y"] for event in drift.events()]
        [5.0, 25.0, 35.0]
    """

    columns: Annotated[Columns, Meta(min_length=1, description="Features whose weights change")]
    deltas: Annotated[tuple[float, ...], Meta(min_length=1, description="Change of the weight of each")]
    centers: Centers = ()
    scales: Scales = ()

    @functools.cached_property
    def _weights(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        reference = self.reference
        return (
            reference.one_each("deltas", self.columns, self.deltas),
            reference.centers(self.columns, self.centers),
            reference.scales(self.columns, self.scales),
        )

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def label(self) -> str:
        """Description in a few words, for marks."""
        return f"WeightChange {', '.join(self.columns)}"

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.reference.require_numbers(self.columns)
        self.reference.require_distinct(self.columns)
        deltas, _, _ = self._weights
        self.require_change(bool(deltas.any()), "its `deltas` are 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its labels changed."""
        change = np.zeros(len(batch))
        for name, delta, center, scale in zip(self.columns, *self._weights, strict=True):
            change += delta * standardized(batch, name, center, scale)
        return relabelled(batch, share, lambda y: y + change)
