"""Recommender drift: popular items become more popular."""

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
class PopularityFeedback(RatingsDrift):
    """Recommender drift in which events concentrate on popular items, as a recommender itself causes it.

    ::

        item <- i        with probability s strength n_i^power / sum_j n_j^power

    n_i is the number of events of the item i before the drift: a share `strength` of the events goes to what is shown
    most, and the more events an item had the more it gains (``power`` above 1). This is where the loop of
    recommendation and choice leads to, not its single turns; an incremental drift is the way there. An event that
    goes to another item keeps its label, as of an event that only says that a user was interested; the optimum is
    unknown (NaN) there.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> items = np.array((["hit"] * 3 + ["rare"]) * 1000, dtype=object)
        >>> columns = {"user": np.array(["ann"] * 4000, dtype=object), "item": items}
        >>> stream = InMemorySource(Batch.of(columns, np.ones(4000)))
        >>> drift = PopularityFeedback(stream, strength=0.8, power=3, at=2000)
        >>> [event["item"] for event in drift.events()][2000:].count("hit")
        1831

    References:
        Chaney, Stewart, Engelhardt (2018), "How algorithmic confounding in recommendation systems increases homogeneity
        and decreases utility", RecSys.
    """

    strength: Annotated[float, Meta(ge=0, le=1, description="Share of the events that follow popularity")] = 0.5
    power: Annotated[float, Meta(ge=0, le=100, description="Power of the popularity that is followed")] = 2.0

    @functools.cached_property
    def _items(self) -> tuple[Ids, NDArray[np.float64]]:
        """Known items, and the cumulative share of each."""
        counts = np.array(list(self.item_counts.values()), dtype=np.float64)
        # Of the largest, so that no power overflows.
        weights = (counts / counts.max(initial=1.0)) ** self.power
        return np.array(list(self.item_counts), dtype=object), np.cumsum(weights) / max(weights.sum(), 1.0)

    def touched(self) -> frozenset[str]:
        """The items."""
        return frozenset({ITEM})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.strength > 0, "its `strength` is 0")
        items, _ = self._items
        self.require_change(len(items) > 0, f"there is no item in the {self.start()} events before it")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with events that follow popularity."""
        items, cumulative = self._items
        is_new = draws.uniform(self.seed, OWN_DRAWS, batch.number) < share * self.strength
        picks = np.searchsorted(cumulative, draws.uniform(self.seed, OWN_DRAWS + 1, batch.number), side="right")
        return redirected(batch, items[np.minimum(picks, len(items) - 1)], is_new)
