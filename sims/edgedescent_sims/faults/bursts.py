"""Messages that are collected and arrive together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.base import Fault
from edgedescent_sims.sources.batch import Batch, rebatched


@dataclass(kw_only=True, eq=False)
class Bursts(Fault):
    """Messages that a gateway collects and sends together: they arrive in order, at the time of the last of them.

    A burst ends after `size` events, at the end of the span, and at an event that the fault does not touch. There are
    no draws in it.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import Bursts
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(8)))
        >>> [batch] = Bursts(source, size=3, after=1).batches()
        >>> batch.arrival
        array([1., 4., 4., 4., 7., 7., 7., 8.])
    """

    size: Annotated[int, Meta(ge=2, description="Number of events that arrive together")] = 100

    def batches(self) -> Iterator[Batch]:
        """Yield the events with their times of arrival changed."""
        return rebatched(self._collected())

    def _collected(self) -> Iterator[Batch]:
        held: Batch | None = None
        for batch in self.source.batches():
            events = batch if held is None else Batch.concatenate([held, batch])
            touched = self.touches(events.number)
            if not touched.any():
                held = None
                yield events
                continue
            n_complete, arrival = self._arrival(events.arrival, touched)
            done = events.replace(arrival=arrival)
            if n_complete:
                yield done.take(slice(0, n_complete))
            held = events.take(slice(n_complete, None)) if n_complete < len(events) else None
        if held is not None:
            yield held.replace(arrival=np.full(len(held), held.arrival[-1]))

    def _arrival(self, arrival: NDArray[np.float64], touched: NDArray[np.bool_]) -> tuple[int, NDArray[np.float64]]:
        """Number of events before the burst that is not complete yet, and the times of arrival in bursts.

        The first event given is the first of its burst, or not touched.
        """
        place = np.arange(len(arrival))
        first_of_run = np.maximum.accumulate(np.where(touched, 0, place + 1))
        in_burst = (place - first_of_run) % self.size
        full = touched & (in_burst == self.size - 1)
        ends = full | (touched & ~np.append(touched[1:], True))
        n_complete = len(arrival) if ends[-1] or not touched[-1] else int(place[-1] - in_burst[-1])
        ends[-1] = True
        last = np.minimum.accumulate(np.where(ends, place, len(arrival))[::-1])[::-1]
        return n_complete, np.where(touched, arrival[last], arrival)
