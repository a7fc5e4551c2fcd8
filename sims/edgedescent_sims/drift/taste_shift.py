"""Recommender drift: users change their tastes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift.base import OWN_DRAWS
from edgedescent_sims.drift.draws import mapped, uniform_of_ids
from edgedescent_sims.drift.mixing import choose
from edgedescent_sims.drift.ratings_base import ITEM, USER, RatingsDrift, ids_of
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class TasteShift(RatingsDrift):
    """Recommender drift in which a share of the users swaps tastes: what they thought of one item holds of another.

    ::

        item <- p(item)        if the user is among those that change; p a random circle through the known items

    Known are the items with an event before the drift; others stay. A user changes if a draw that belongs to the user's
    id is below s users: in an incremental drift more and more users change, each of them at once. The label and its
    optimum stay: they are of the item that the event was about before.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> columns = {"user": np.array(["ann"] * 3, dtype=object), "item": np.array(["a", "b", "a"], dtype=object)}
        >>> stream = InMemorySource(Batch.of(columns, np.array([5.0, 1.0, 5.0])))
        >>> [(event["item"], event["y"]) for event in TasteShift(stream, at=2).events()]
        [('a', 5.0), ('b', 1.0), ('b', 5.0)]
    """

    users: Annotated[float, Meta(ge=0, le=1, description="Share of the users that change")] = 1.0

    @functools.cached_property
    def _next(self) -> dict[str, str]:
        items = sorted(self.item_counts)
        np.random.default_rng([self.seed, OWN_DRAWS]).shuffle(items)
        return dict(zip(items, [*items[1:], *items[:1]], strict=True))

    def touched(self) -> frozenset[str]:
        """The items."""
        return frozenset({ITEM})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.users > 0, "its share of `users` is 0")
        self.require_change(len(self._next) > 1, f"there are less than 2 items in the {self.start()} events before it")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with the items of the users that change swapped."""
        old = ids_of(batch, ITEM)
        changes = uniform_of_ids(self.seed, OWN_DRAWS + 1, ids_of(batch, USER)) < share * self.users
        new = mapped(old, lambda item: self._next.get(item, item))
        return batch.with_columns({ITEM: choose(old, new, changes)})
