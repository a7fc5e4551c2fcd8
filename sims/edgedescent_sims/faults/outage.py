"""Outages, with and without the back-fill of what was not sent meanwhile."""

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
class Outage(Fault):
    """A time in which nothing arrives: events are lost, or kept by their sender and back-filled afterwards.

    Back-filled events arrive in their order. With `per_event` 0, they all arrive together with the first event after
    the outage, before it: a sender that keeps one queue. Otherwise, `per_event` of them arrive together with each
    event after the outage, behind it, until none is left: a sender that keeps its backlog apart. Those that are left
    at the end of the stream arrive then. Holds the events of the outage in memory. There are no draws in it.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import Outage
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({}, np.ones(8)))
        >>> [batch] = Outage(source, after=2, until=5, backfill=True, per_event=2).batches()
        >>> batch.number
        array([1, 2, 6, 3, 4, 7, 5, 8])
        >>> batch.arrival
        array([1., 2., 6., 6., 6., 7., 7., 8.])

    Raises:
        ValueError: If there is a back-fill and the outage has no end, or `per_event` is given without one.
    """

    backfill: Annotated[bool, Meta(description="True if the events arrive after the outage, False if never")] = False
    per_event: Annotated[
        int,
        Meta(ge=0, description="Number of back-filled events that arrive with each later one; 0 for all at the first"),
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backfill and self.until is None:
            raise ValueError("The `until` of Outage must be given where `backfill` is true. Got None.")
        if self.per_event and not self.backfill:
            raise ValueError(f"The `per_event` of Outage must be 0 where `backfill` is false. Got {self.per_event}.")
        if self.after == 0 and self.until is None:
            raise ValueError("The `after` of Outage must be > 0 where `until` is None: no event would be left. Got 0.")

    def batches(self) -> Iterator[Batch]:
        """Yield the events that arrive, in the order of their arrival."""
        return rebatched(self._with_backfill() if self.backfill else self._without())

    def _without(self) -> Iterator[Batch]:
        for batch in self.source.batches():
            lost = self.touches(batch.number)
            if not lost.all():
                yield batch.take(~lost) if lost.any() else batch

    def _with_backfill(self) -> Iterator[Batch]:
        backlog: list[Batch] = []
        latest = -np.inf
        for batch in self.source.batches():
            kept = self.touches(batch.number)
            if kept.all():
                backlog.append(batch)
                continue
            if kept.any() or backlog:
                n_waiting = sum(map(len, backlog))
                events = Batch.concatenate([*backlog, batch])
                order, waiting = self._order(events.number[n_waiting:], kept, n_waiting)
                backlog = [events.take(waiting)] if len(waiting) else []
                ready = events.take(order)
                arrival = self._arrival(ready, latest)
                ready = ready.replace(arrival=arrival)
            else:
                ready = batch
            if len(ready):
                latest = max(latest, float(ready.arrival.max()))
                yield ready
        if backlog:
            rest = Batch.concatenate(backlog)
            yield rest.replace(arrival=np.maximum.accumulate(np.maximum(rest.arrival, latest)))

    def _order(
        self, number: NDArray[np.int64], kept: NDArray[np.bool_], n_waiting: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the events that arrive, in order, and of those that go on waiting.

        Rows count from the first of the `n_waiting` events that wait already; `number` and `kept` are of those behind.
        One event at a time, because an event of the outage can come after later ones that another fault put before it.
        """
        arriving: list[int] = []
        waiting = list(range(n_waiting))
        n_out = 0
        ends = self.until or 0
        for row, (each, is_kept) in enumerate(zip(number.tolist(), kept.tolist(), strict=True), start=n_waiting):
            if is_kept:
                waiting.append(row)
                continue
            if each <= ends:
                arriving.append(row)
            elif self.per_event:
                arriving.append(row)
                arriving += waiting[n_out : n_out + self.per_event]
                n_out = min(n_out + self.per_event, len(waiting))
            else:
                arriving += waiting[n_out:]
                n_out = len(waiting)
                arriving.append(row)
        return np.array(arriving, dtype=np.intp), np.array(waiting[n_out:], dtype=np.intp)

    def _arrival(self, ready: Batch, latest: float) -> NDArray[np.float64]:
        """Times of arrival, those of back-filled events raised to that of the event that they arrive with."""
        moved = self.touches(ready.number)
        if self.per_event:
            running = np.maximum.accumulate(np.maximum(ready.arrival, latest))
        else:
            # The event with which they arrive comes behind them: the next one that was not held back.
            next_live = np.where(moved, np.inf, ready.arrival)
            running = np.maximum.accumulate(np.maximum(np.minimum.accumulate(next_live[::-1])[::-1], latest))
        return np.where(moved, running, ready.arrival)
