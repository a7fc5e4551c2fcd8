"""Label drift: an offset of the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import LABEL, Drift
from edgedescent_sims.drift.mixing import relabelled
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class LabelBias(Drift):
    """Label drift that adds an offset to the label: its level changes, its relation to the features does not.

    ::

        y <- y + s offset

    `target` and `optimum` change alike.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"temp": np.array([20.0, 20.0])}, np.array([1.0, 2.0])))
        >>> [event["y"] for event in LabelBias(stream, offset=10, at=1).events()]
        [1.0, 12.0]
    """

    offset: Annotated[float, Meta(description="What is added to the label")]

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.offset != 0, "its `offset` is 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with its labels shifted."""
        return relabelled(batch, share, lambda y: y + self.offset)
