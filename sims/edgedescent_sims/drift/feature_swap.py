"""Concept drift: two features swap their meaning."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, cast

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.standardized import Centers, Columns, Scales
from edgedescent_sims.sources.batch import Batch, Column


@dataclass(kw_only=True, eq=False)
class FeatureSwap(Drift):
    """Concept drift in which two features swap their meaning: each holds what the other one would.

    ::

        x_i <- center_i + scale_i z_j,   x_j <- center_j + scale_j z_i        z_i = (x_i - center_i) / scale_i

    So each column keeps its center and spread, and only its relation to the label changes. With ``rescale`` off, or
    for two columns of texts, the values themselves are swapped, as by two cables in the wrong sockets. What was missing
    in one is then missing in the other. The label and its optimum stay. In a gradual or incremental drift the features
    of an event are swapped with the probability s.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"inlet": np.array([1.0, 3.0]), "outlet": np.array([20.0, 40.0])}
        >>> stream = InMemorySource(Batch.of(columns, np.array([0.0, 1.0])))
        >>> list(FeatureSwap(stream, columns=("inlet", "outlet"), rescale=False, at=1).events())[1]["x"]
        {'inlet': 40.0, 'outlet': 3.0}
    """

    columns: Annotated[Columns, Meta(min_length=2, max_length=2, description="The two features")]
    rescale: Annotated[bool, Meta(description="Keep the center and the spread of each column of numbers")] = True
    centers: Centers = ()
    scales: Scales = ()

    @functools.cached_property
    def _standards(self) -> tuple[list[float], list[float]] | None:
        if not self.rescale or self.reference.holds_texts(self.columns[0]):
            return None
        return (
            self.reference.centers(self.columns, self.centers).tolist(),
            self.reference.scales(self.columns, self.scales).tolist(),
        )

    def touched(self) -> frozenset[str]:
        """The two features."""
        return frozenset(self.columns)

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        one, other = self.columns
        self.require_change(one != other, f"it swaps {one!r} with itself")
        if self.reference.holds_texts(one) != self.reference.holds_texts(other):
            raise ConfigError(
                f"The drift FeatureSwap needs two columns of numbers or two of texts; of {one!r} and {other!r} only "
                "one holds texts."
            )
        _ = self._standards

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its two features swapped."""
        is_new = self.switched(batch, share)
        one, other = (batch.column(name) for name in self.columns)
        new_one, new_other = other, one
        if self._standards is not None:
            (center, other_center), (scale, other_scale) = self._standards
            new_one = center + scale * ((_numbers(other) - other_center) / other_scale)
            new_other = other_center + other_scale * ((_numbers(one) - center) / scale)
        swapped = (_choose(one, new_one, is_new), _choose(other, new_other, is_new))
        return batch.with_columns(dict(zip(self.columns, swapped, strict=True)))


def _numbers(column: Column) -> NDArray[np.float64]:
    return cast("NDArray[np.float64]", column)


def _choose(old: Column, new: Column, is_new: NDArray[np.bool_]) -> Column:
    return choose(_numbers(old), _numbers(new), is_new)
