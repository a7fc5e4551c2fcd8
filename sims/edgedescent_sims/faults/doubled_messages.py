"""Messages that arrive twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.faults.held import released
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class DoubledMessages(Fault):
    """Messages that arrive twice, as MQTT's QoS 1 allows: the second time with the same number, which makes their id.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import DoubledMessages
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(5)))
        >>> [batch] = DoubledMessages(source, rate=1, delay=2, until=2).batches()
        >>> batch.number
        array([1, 2, 3, 1, 4, 2, 5])
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the messages that arrive twice")]
    delay: Annotated[
        int, Meta(ge=0, description="Number of further events that arrive before the copy; 0 for none")
    ] = 0

    def batches(self) -> Iterator[Batch]:
        """Yield the events and their copies."""
        draws = self.draws()

        def plan(batch: Batch, places: NDArray[np.float64]) -> tuple[Batch, NDArray[np.float64]] | None:
            rows = np.flatnonzero(self.touches(batch.number))
            twice = rows[draws.random(len(rows)) < self.rate]
            if not len(twice):
                return None
            copies = places[twice] + self.delay + 0.5
            return Batch.concatenate([batch, batch.take(twice)]), np.concatenate([places, copies])

        return released(self.source.batches(), plan)
