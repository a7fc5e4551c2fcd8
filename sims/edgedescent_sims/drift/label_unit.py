"""Label drift: another unit of the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.errors import ConfigError
from edgedescent_sims.drift.base import LABEL, Drift
from edgedescent_sims.drift.mixing import relabelled
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class LabelUnit(Drift):
    """Label drift that changes the unit of the label.

    ::

        y <- y + s (factor y + offset - y)

    `target` and `optimum` change alike, so errors are in the new unit from then on.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"load": np.array([0.3, 0.3])}, np.array([20.0, 20.0])))
        >>> [event["y"] for event in LabelUnit(stream, factor=1.8, offset=32, at=1).events()]
        [20.0, 68.0]
    """

    factor: Annotated[float, Meta(description="What the label is multiplied by")] = 1.0
    offset: Annotated[float, Meta(description="What is added afterwards")] = 0.0

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.factor != 1 or self.offset != 0, "its `factor` is 1 and its `offset` 0")
        if self.factor == 0:
            raise ConfigError("The `factor` of LabelUnit must not be 0: all labels would be equal.")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its labels in the new unit."""
        return relabelled(batch, share, lambda y: self.factor * y + self.offset)
