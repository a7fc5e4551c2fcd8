"""Label drift: the label begins to arrive late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import LABEL, Drift
from edgedescent_sims.sources.batch import Batch, rebatched


@dataclass(kw_only=True, eq=False)
class LabelDelayChange(Drift):
    """Label drift in which an event arrives as a question first, and again with its label some events later.

    ::

        label of the event at place p arrives right after the event at place p + d,  d = round(s delay)

    Places count the events of the wrapped source. The late event has the number, the features and the time of the
    question, and arrives at the time of the event that it follows. Labels that are still on their way at the end of the
    stream arrive there, in order. `target` and `optimum` stay. An event that is a question already stays one.
    In an incremental drift the delay grows; in a gradual one an event is late with the probability s.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"load": np.arange(4.0)}, np.arange(4.0)))
        >>> [(event["id"], event.get("y")) for event in LabelDelayChange(stream, delay=1, at=1).events("")]
        [('1', 0.0), ('2', None), ('3', None), ('2', 1.0), ('4', None), ('3', 2.0), ('4', 3.0)]
    """

    adds_events: ClassVar[bool] = True

    delay: Annotated[int, Meta(ge=0, le=100_000, description="Number of events that labels arrive late")]

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.delay > 0, "its `delay` is 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with questions in place of the events whose labels are late."""
        return batch.replace(y=np.where(self._delays(share) > 0, np.nan, batch.y))

    def _delays(self, share: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(share * self.delay).astype(np.int64)

    def batches(self) -> Iterator[Batch]:
        """Yield the events of the wrapped source, and each late one once more with its label."""
        self.ensure_checked()
        yield from rebatched(self._delayed())

    def _delayed(self) -> Iterator[Batch]:
        waiting: Batch | None = None
        due = np.empty(0, dtype=np.int64)
        n_before = 0
        arrival = np.nan
        for batch in self.source.batches():
            if not len(batch):
                continue
            share = self.share_of(batch.number)
            delays = np.where(np.isnan(batch.y), 0, self._delays(share))
            places = np.arange(n_before, n_before + len(batch), dtype=np.int64)
            n_before += len(batch)
            late = delays > 0
            if late.any():
                labelled = batch.take(late)
                waiting = labelled if waiting is None else Batch.concatenate([waiting, labelled])
                due = np.concatenate([due, places[late] + delays[late]])
            events = self.apply(batch, share) if late.any() else batch
            arrival = float(batch.arrival[-1])
            if waiting is None:
                yield events
                continue
            ready = due < n_before
            arrivals = batch.arrival[due[ready] - places[0]]
            arriving = waiting.take(ready).replace(arrival=arrivals)
            # A stable sort by place: the event itself, then the labels that are due after it, the older one first.
            order = np.argsort(np.concatenate([places, due[ready]]), kind="stable")
            yield Batch.concatenate([events, arriving]).take(order)
            waiting, due = (None, due[:0]) if ready.all() else (waiting.take(~ready), due[~ready])
        if waiting is not None:
            order = np.argsort(due, kind="stable")
            yield waiting.take(order).replace(arrival=np.full(len(order), arrival))
