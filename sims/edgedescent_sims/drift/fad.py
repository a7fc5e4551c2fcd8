"""Recommender drift: a fad, a burst of events of a few items that fades."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift import draws
from edgedescent_sims.drift.base import OWN_DRAWS
from edgedescent_sims.drift.ratings_base import ITEM, Ids, RatingsDrift, redirected
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class Fad(RatingsDrift):
    """Recommender drift in which a few items get a burst of events that fades.

    ::

        item <- one of `items`        with probability s peak 2^(-age / half_life)

    The age counts the events since the burst: since `at`, or the end of the transition, and anew at each return of a
    recurring drift. An event that goes to a fad keeps its label, as of an event that only says that a user was
    interested; what the user thinks of that item is not known, so the optimum is unknown (NaN) there. Without `items`
    they are `n_items` of those that had an event before the drift, drawn at random.

    The twin that only knows this regime has lived at the peak until the burst.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"user": np.array(["ann"] * 4000, dtype=object), "item": np.array(["tv"] * 4000, dtype=object)}
        >>> stream = InMemorySource(Batch.of(columns, np.ones(4000)))
        >>> items = [event["item"] for event in Fad(stream, items=("toy",), half_life=500, at=1000).events()]
        >>> [items[start : start + 1000].count("toy") for start in range(0, 4000, 1000)]
        [0, 278, 64, 22]
    """

    items: Annotated[tuple[str, ...], Meta(description="Items of the fad; random ones if empty")] = ()
    n_items: Annotated[int, Meta(ge=1, description="Number of random items")] = 1
    peak: Annotated[float, Meta(ge=0, le=1, description="Share of the events that the burst begins with")] = 0.5
    half_life: Annotated[int, Meta(ge=1, description="Number of events in which the burst falls to its half")] = 1000

    @functools.cached_property
    def _items(self) -> Ids:
        names = list(self.items)
        if not names:
            known = sorted(self.item_counts)
            picks = np.random.default_rng([self.seed, OWN_DRAWS]).permutation(len(known))[: self.n_items]
            names = [known[pick] for pick in picks.tolist()]
        return np.array(names, dtype=object)

    def touched(self) -> frozenset[str]:
        """The items."""
        return frozenset({ITEM})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.peak > 0, "its `peak` is 0")
        self.require_change(len(self._items) > 0, f"there is no item in the {self.start()} events before it")

    def _age(self, number: NDArray[np.int64]) -> NDArray[np.int64]:
        begin = self.start() + (self.width if self.shape in ("gradual", "incremental") else 0)
        age = np.maximum(number - begin - 1, 0)
        return age % self.period if self.shape == "recurring" else age

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with events that go to the fad."""
        intensity = share * self.peak * np.exp2(-self._age(batch.number) / self.half_life)
        is_new = draws.uniform(self.seed, OWN_DRAWS + 1, batch.number) < intensity
        which = draws.uniform(self.seed, OWN_DRAWS + 2, batch.number) * len(self._items)
        return redirected(batch, self._items[which.astype(np.intp)], is_new)
