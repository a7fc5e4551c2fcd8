"""Base class of drifts of recommenders: users and items of an event, and the items that are known before a drift."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.mixing import choose, without_optimum
from edgedescent_sims.drift.reference import read_ahead
from edgedescent_sims.sources.base import Kind
from edgedescent_sims.sources.batch import Batch

USER, ITEM = "user", "item"

Ids = NDArray[np.object_]


@dataclass(kw_only=True, eq=False)
class RatingsDrift(Drift):
    """Drift of a stream of ratings."""

    kinds: ClassVar[tuple[Kind, ...]] = ("ratings",)

    def label(self) -> str:
        """Description in a few words, for marks."""
        return type(self).__name__

    @functools.cached_property
    def item_counts(self) -> dict[str, int]:
        """Number of events of each item before the drift, the most frequent first; ties by name."""
        counts: Counter[str] = Counter()
        for batch in read_ahead(self.origin or self.source, self.start()):
            # By number too: a fault below can have dropped events, so that later ones are among the first ones read.
            before = ids_of(batch, ITEM)[batch.number <= self.start()]
            counts.update(item for item in before.tolist() if item is not None)
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def ids_of(batch: Batch, name: str) -> Ids:
    """Column of users or items."""
    return cast("Ids", batch.column(name))


def redirected(batch: Batch, items: Ids, is_new: NDArray[np.bool_]) -> Batch:
    """Batch whose events go to other items where `is_new`.

    The label stays; the optimum is unknown there, because it is not known what the user thinks of that item.
    """
    chosen = choose(ids_of(batch, ITEM), items, is_new)
    changed = chosen != ids_of(batch, ITEM)
    return batch.with_columns({ITEM: chosen}).replace(optimum=without_optimum(batch, changed.astype(np.bool_)))
