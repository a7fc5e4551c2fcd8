"""Events that are held in memory as a stream: for tests, examples and what another program has computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from edgedescent_sims.sources.base import Kind, Source
from edgedescent_sims.sources.batch import BATCH_EVENTS, RATING_COLUMNS, Batch


@dataclass(kw_only=True, eq=False)
class InMemorySource(Source):
    """The events of one batch.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.arange(5.0)}, np.ones(5)), batch_events=2)
        >>> [batch.number.tolist() for batch in source.batches()]
        [[1, 2], [3, 4], [5]]
    """

    batch: Annotated[Batch, Meta(description="The events")] = field(kw_only=False)
    batch_events: Annotated[int, Meta(ge=1, description="Largest number of events in a batch")] = BATCH_EVENTS
    label: Annotated[str, Meta(description="Name of the source")] = "memory"

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.label

    @property
    def kind(self) -> Kind:
        """``ratings`` where the columns are those of ratings."""
        return "ratings" if tuple(self.batch.columns) == RATING_COLUMNS else "features"

    def length(self) -> int | None:
        """Return the largest number of an event."""
        return int(self.batch.number.max(initial=0))

    def batches(self) -> Iterator[Batch]:
        """Yield the events."""
        for start in range(0, len(self.batch), self.batch_events):
            yield self.batch.take(slice(start, start + self.batch_events))
