"""Drifts of real data that are marked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.sources.base import Mark, Source
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class MarkedDrift(Drift):
    """A drift that is in the data already, marked by hand: it changes nothing, but recovery is scored there.

    Several drifts of one recording are several of these around each other. Nobody can replay what was recorded before
    the mark under the new regime, so the twin that only ever saw the new regime is a learner that starts at the mark:
    a copy frozen after the mark, or after a later one, leaves out the events before it. It keeps the numbers of the
    others, by which the two are compared.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"load": np.arange(4.0)}, np.arange(4.0)))
        >>> drift = MarkedDrift(stream, title="pump replaced", at=2)
        >>> drift.marks()
        [Mark(kind='drift', label='pump replaced', start=2, end=2)]
        >>> [event["id"] for event in drift.frozen_after(drift.marks()[0]).events()]
        ['memory-3', 'memory-4']
    """

    title: Annotated[str, Meta(description="What happened there")] = "marked"

    begins_after: int = field(default=0, init=False, repr=False)
    """Number of the last event that a frozen copy leaves out."""

    def touched(self) -> frozenset[str]:
        """Nothing."""
        return frozenset()

    def label(self) -> str:
        """What happened there."""
        return self.title

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:  # noqa: ARG002 - it is in the data already
        """Return the batch as it is."""
        return batch

    def frozen_after(self, mark: Mark, source: Source | None = None) -> Self:
        """Return a copy without the events before the last mark of this drift that is not after `mark`."""
        frozen = super().frozen_after(mark, source)
        own = [each.end for each in self.marks() if each.end <= mark.end]
        frozen.begins_after = max(own, default=self.begins_after)
        return frozen

    def around(self, source: Source) -> Self:
        """Return the same drift around another source."""
        copy = super().around(source)
        copy.begins_after = self.begins_after
        return copy

    def batches(self) -> Iterator[Batch]:
        """Yield the events of the wrapped source."""
        self.ensure_checked()
        for batch in self.source.batches():
            later = batch.number > self.begins_after
            if later.any():
                yield batch if later.all() else batch.take(later)
