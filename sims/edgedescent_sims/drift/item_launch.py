"""Recommender drift: new items are launched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift import draws
from edgedescent_sims.drift.base import OWN_DRAWS
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.ratings_base import ITEM, RatingsDrift, ids_of
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class ItemLaunch(RatingsDrift):
    """Recommender drift in which new items appear, each a rival of an old one, and take a share of its events.

    ::

        item <- item + suffix        with probability s share, for a share `items` of the items

    A new item is liked like the one whose rival it is, so the label and its optimum stay; but its id has never been
    seen. With ``items`` of 1 the new items take `share` of all events; with ``share`` of 1 they replace the old ones.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"user": np.array(["ann"] * 2, dtype=object), "item": np.array(["tv", "tv"], dtype=object)}
        >>> stream = InMemorySource(Batch.of(columns, np.array([5.0, 5.0])))
        >>> [event["item"] for event in ItemLaunch(stream, share=1, at=1).events()]
        ['tv', 'tv-new']
    """

    items: Annotated[float, Meta(ge=0, le=1, description="Share of the items that get a rival")] = 1.0
    share: Annotated[float, Meta(ge=0, le=1, description="Share of their events that go to the rivals")] = 0.3
    suffix: Annotated[str, Meta(description="What the id of a new item ends with")] = "-new"

    def touched(self) -> frozenset[str]:
        """The items."""
        return frozenset({ITEM})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.items > 0, "its share of `items` is 0")
        self.require_change(self.share > 0, "its `share` of the events is 0")
        self.require_change(self.suffix != "", "its `suffix` is empty")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with new items."""
        old = ids_of(batch, ITEM)
        is_new = draws.uniform(self.seed, OWN_DRAWS, batch.number) < share * self.share
        if self.items < 1:
            is_new &= draws.uniform_of_ids(self.seed, OWN_DRAWS + 1, old) < self.items
        return batch.with_columns({ITEM: choose(old, draws.mapped(old, lambda item: item + self.suffix), is_new)})
