"""Messages that arrive late, after others that were sent later."""

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
class DelayedMessages(Fault):
    """Single messages that arrive late, after 1 to `delay` events that follow them, each number equally likely.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import DelayedMessages
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(8)))
        >>> [batch] = DelayedMessages(source, rate=0.3, delay=3).batches()
        >>> batch.number
        array([2, 1, 3, 4, 6, 7, 5, 8])
        >>> batch.arrival
        array([2., 2., 3., 4., 6., 7., 7., 8.])
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the messages that arrive late")]
    delay: Annotated[int, Meta(ge=1, description="Largest number of events that a message can come too late")] = 10

    def batches(self) -> Iterator[Batch]:
        """Yield the events in the order of their arrival."""
        chance, length = self.draws("rate"), self.draws("delay")

        def plan(batch: Batch, places: NDArray[np.float64]) -> tuple[Batch, NDArray[np.float64]] | None:
            rows = np.flatnonzero(self.touches(batch.number))
            late = rows[chance.random(len(rows)) < self.rate]
            if not len(late):
                return None
            moved = places.copy()
            moved[late] += 1.5 + np.floor(length.random(len(late)) * self.delay)
            return batch, moved

        return released(self.source.batches(), plan)
