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
            ready = batch
            if kept.any() or backlog:
                front, backlog = self._front(backlog, len(batch))
                n_front = sum(map(len, front))
                events = Batch.concatenate([*front, batch])
                order, waiting = self._order(batch.number, kept, n_front)
                ready = events.take(order)
                ready = ready.replace(arrival=self._arrival(ready, latest))
                left, added = waiting[waiting < n_front], waiting[waiting >= n_front]
                backlog = [part for part in (events.take(left), *backlog, events.take(added)) if len(part)]
            if len(ready):
                latest = max(latest, float(ready.arrival.max()))
                yield ready
        if backlog:
            rest = Batch.concatenate(backlog)
            yield rest.replace(arrival=np.maximum.accumulate(np.maximum(rest.arrival, latest)))

    def _front(self, backlog: list[Batch], n_events: int) -> tuple[list[Batch], list[Batch]]:
        """Backlog in two parts: what can arrive with `n_events` events, and the rest.

        The rest is not touched, so that the cost of an event does not grow with the length of the outage.
        """
        if self.per_event == 0:
            return backlog, []
        ends = np.cumsum([len(part) for part in backlog])
        n_parts = int(np.searchsorted(ends, n_events * self.per_event)) + 1
        return backlog[:n_parts], backlog[n_parts:]

    def _order(
        self, number: NDArray[np.int64], kept: NDArray[np.bool_], n_waiting: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows of the events that arrive, in order, and of those that go on waiting.

        Rows count from the first of the `n_waiting` events at the front of the backlog; `number` and `kept` are of the
        events that come now.
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
