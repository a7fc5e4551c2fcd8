"""Labels that arrive late."""

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
class LabelDelay(Fault):
    """Labels that arrive late: the event comes as a question first, and again with its label later.

    The label of event n comes right after event n + delay, so that n + delay + 1 is the first event whose prediction
    can profit from it. Events without a label stay as they are. Holds `delay` events in memory. There are no draws in
    it.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import LabelDelay
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.arange(1.0, 5.0)))
        >>> [batch] = LabelDelay(source, delay=2).batches()
        >>> batch.number
        array([1, 2, 3, 1, 4, 2, 3, 4])
        >>> batch.y
        array([nan, nan, nan,  1., nan,  2.,  3.,  4.])

    References:
        Gomes, Read, Bifet, Barddal, Gama (2019), "Machine learning for streaming data: state of the art, challenges,
        and opportunities", SIGKDD Explorations 21(2), section 2.2: delayed labels.
    """

    delay: Annotated[int, Meta(ge=1, description="Number of further events that arrive before the label")]

    def batches(self) -> Iterator[Batch]:
        """Yield the questions, and the events with their labels."""

        def plan(batch: Batch, places: NDArray[np.float64]) -> tuple[Batch, NDArray[np.float64]] | None:
            late = self.touches(batch.number) & ~np.isnan(batch.y)
            if not late.any():
                return None
            questions = batch.replace(y=np.where(late, np.nan, batch.y))
            labelled = places[late] + self.delay + 0.5
            return Batch.concatenate([questions, batch.take(late)]), np.concatenate([places, labelled])

        return released(self.source.batches(), plan)
