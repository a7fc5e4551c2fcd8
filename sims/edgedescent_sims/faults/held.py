"""Streams whose events arrive later than others, or twice: the queue of what is held back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.sources.batch import Batch, rebatched

Plan = Callable[[Batch, NDArray[np.float64]], tuple[Batch, NDArray[np.float64]] | None]
"""Function that is given a batch and the place of each event in the stream, from 0, and returns what arrives instead
and the places at which it does: p for the place of its own, p + 1/2 for right after the event at p, never before the
event's own place. None where everything arrives in its place."""


def released(batches: Iterator[Batch], plan: Plan) -> Iterator[Batch]:
    """Yield events in the order of the places that a plan gives them; at the end, all that is still held back.

    An event that was moved arrives together with the one that it follows; one that arrives in its own place keeps its
    time of arrival. Holds as many events as the plan delays at a time.

    Args:
        batches: Events in order.
        plan: Decides when each event arrives, and may add copies.
    """
    return rebatched(_released(batches, plan))


def _released(batches: Iterator[Batch], plan: Plan) -> Iterator[Batch]:
    held: Batch | None = None
    held_places = np.empty(0)
    n_read = 0
    latest = -np.inf
    for batch in batches:
        places = np.arange(n_read, n_read + len(batch), dtype=np.float64)
        n_read += len(batch)
        planned = plan(batch, places)
        if planned is None and held is None:
            yield batch
            continue
        events, places = (batch, places) if planned is None else planned
        if held is not None:
            events, places = Batch.concatenate([held, events]), np.concatenate([held_places, places])
        # A stable sort: of two events for one place, the one that was held back first comes first.
        order = np.argsort(places, kind="stable")
        n_ready = int(np.searchsorted(places[order], n_read))
        if n_ready:
            ready, latest = _arriving(events.take(order[:n_ready]), places[order[:n_ready]], latest)
            yield ready
        held = events.take(order[n_ready:]) if n_ready < len(order) else None
        held_places = places[order[n_ready:]]
    if held is not None:
        yield _arriving(held, held_places, latest)[0]


def _arriving(events: Batch, places: NDArray[np.float64], latest: float) -> tuple[Batch, float]:
    """Events with the time of arrival of those that were moved, and the latest of all times of arrival."""
    running = np.maximum.accumulate(np.concatenate(([latest], events.arrival)))[1:]
    moved = places % 1.0 > 0.0
    return events.replace(arrival=np.where(moved, running, events.arrival)), float(running[-1])
