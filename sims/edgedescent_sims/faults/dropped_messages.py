"""Lost messages, at random or in bursts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.faults.episodes import Episodes
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class DroppedMessages(Fault):
    """Messages that never arrive, at random or in bursts.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import DroppedMessages
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(8)))
        >>> [batch] = DroppedMessages(source, rate=0.5).batches()
        >>> batch.number
        array([3, 4, 6, 7, 8])
    """

    rate: Annotated[float, Meta(gt=0, lt=1, description="Share of the messages that are lost")]
    burst_length: Annotated[
        float, Meta(ge=1, description="Mean length of a burst, in events; 1 for single messages")
    ] = 1.0

    def batches(self) -> Iterator[Batch]:
        """Yield the events that arrive."""
        episodes = Episodes(self.rate, self.burst_length, self.draws())
        for batch in self.source.batches():
            rows = np.flatnonzero(self.touches(batch.number))
            lost = rows[episodes.next(len(rows))]
            if len(lost) < len(batch):
                yield batch.take(np.delete(np.arange(len(batch)), lost)) if len(lost) else batch
