"""Incremental item-to-item neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.learners.ranker import Ranker


@dataclass(kw_only=True, eq=False, repr=False)
class ItemNeighbours(Ranker):
    """Item-to-item neighbours: what those chose too who chose the user's latest items, and what is popular now.

    ::

        x_i   = mean over the latest items h of the user: n_hi / sqrt(n_h n_i) · n_hi / (n_hi + shrinkage)
        score = log(c_i + 0.05) + log(1 + 100 x_i)

    n_hi counts users who chose both items, n_h those who chose h and another; latest items that only this user chose do
    not count. c is the popularity of `DecayedPopularity`, which alone ranks for new users. Each item keeps
    `n_neighbours` others: where its list is full, a further one wears down the weakest.

    Users and items can appear at any time. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or `y` is not a
            number. A rejected event changes nothing.

    Example:
        >>> from edgedescent import ItemNeighbours
        >>> ranker = ItemNeighbours()
        >>> for i in range(100):
        ...     for item in (("tea", "scones"), ("beer", "crisps"))[i % 2]:
        ...         ranker.learn_one(f"user-{i}", item)
        >>> ranker.learn_one("ann", "tea")
        >>> ranker.recommend("ann", k=1, exclude_seen=True)
        ['scones']

    References:
        Sarwar, Karypis, Konstan and Riedl 2001, "Item-based collaborative filtering recommendation algorithms", WWW.
    """

    horizon: Annotated[
        float, Meta(gt=1, le=1e9, description="Number of events after which a choice counts 1/e in the popularity")
    ] = 1000.0
    n_neighbours: Annotated[int, Meta(ge=1, le=1000, description="Number of neighbours that an item keeps")] = 64
    latest: Annotated[int, Meta(ge=1, le=1000, description="Number of the user's latest items that count")] = 10
    shrinkage: Annotated[float, Meta(ge=0, description="Number of pairs at which a similarity counts half")] = 5.0

    def horizons(self) -> tuple[float, ...]:
        """Return the horizons of the popularity, in events."""
        return (self.horizon,)

    def first_weights(self) -> tuple[float, ...]:
        """Return the weights to begin with: of each popularity, the age and the sparse features."""
        return (1.0, 0.0, 1.0, *[0.0] * 6)
