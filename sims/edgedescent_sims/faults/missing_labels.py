"""Labels that never arrive."""

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
class MissingLabels(Fault):
    """Labels that never arrive, at random or in bursts: the event stays a question, whose prediction is scored.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import MissingLabels
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.arange(8.0)))
        >>> [batch] = MissingLabels(source, rate=0.5).batches()
        >>> batch.y
        array([ 0., nan, nan,  3., nan, nan, nan,  7.])
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the labels that are missing")]
    burst_length: Annotated[float, Meta(ge=1, description="Mean length of a burst, in events; 1 for single labels")] = (
        1.0
    )

    def batches(self) -> Iterator[Batch]:
        """Yield the events, some of them without their label."""
        episodes = Episodes(self.rate, self.burst_length, self.draws())
        for batch in self.source.batches():
            rows = np.flatnonzero(self.touches(batch.number))
            hit = rows[episodes.next(len(rows))]
            if not len(hit):
                yield batch
                continue
            y = batch.y.copy()
            y[hit] = np.nan
            yield batch.replace(y=y)
