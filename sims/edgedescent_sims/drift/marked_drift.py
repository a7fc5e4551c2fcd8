"""Drifts of real data that are marked by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class MarkedDrift(Drift):
    """A drift that is in the data already, marked by hand: it changes nothing, but recovery is scored there.

    Several drifts of one recording are several of these around each other. Nobody can replay what was recorded before
    the mark under the new regime, so the twin that only ever saw the new regime is a learner that starts at the mark
    (`edgedescent_sims.simulate.twins`).

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"load": np.arange(4.0)}, np.arange(4.0)))
        >>> drift = MarkedDrift(stream, title="pump replaced", at=2)
        >>> drift.marks()
        [Mark(kind='drift', label='pump replaced', start=2, end=2)]
    """

    title: Annotated[str, Meta(description="What happened there")] = "marked"

    def touched(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def label(self) -> str:
        """The title."""
        return self.title

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:  # noqa: ARG002 - it is in the data already
        """Return the batch as it is."""
        return batch
