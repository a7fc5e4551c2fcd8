"""Messages that arrive out of order."""

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
class ReorderedMessages(Fault):
    """Messages whose ways through the network differ in length, so that neighbours overtake each other.

    Event number n arrives in the order of

    ::

        n + window u,  u ~ U(0, 1)

    so that two events that are `window` or more apart never change places, and of those nearer, one in two does at
    most.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import ReorderedMessages
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(8)))
        >>> [batch] = ReorderedMessages(source, window=3).batches()
        >>> batch.number
        array([2, 1, 3, 4, 5, 8, 6, 7])
    """

    window: Annotated[int, Meta(ge=2, description="Number of events within which messages change places")] = 10

    def batches(self) -> Iterator[Batch]:
        """Yield the events in the order of their arrival."""
        draws = self.draws()

        def plan(batch: Batch, places: NDArray[np.float64]) -> tuple[Batch, NDArray[np.float64]] | None:
            rows = np.flatnonzero(self.touches(batch.number))
            if not len(rows):
                return None
            moved = places.copy()
            moved[rows] += self.window * draws.random(len(rows))
            return batch, moved

        return released(self.source.batches(), plan)
