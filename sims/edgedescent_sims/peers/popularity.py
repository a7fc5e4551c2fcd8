"""Popularity: the items that were rated most often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.peers.ranker import Ranker

RESCALE_AT = 1e100
"""Weight of a rating at which all counts are scaled down, far below the largest float."""


@dataclass(kw_only=True, eq=False)
class Popularity(Ranker):
    """Ranking by popularity: the number of ratings of an item, with weights that may decay.

    ::

        score_i = sum over the ratings t of item i: decay^(now - t)

    The predicted rating is the item's mean, shrunken to the mean of all ratings:

    ::

        prediction = (sum of y_i + shrinkage mean) / (n_i + shrinkage)

    Example:
        >>> peer = Popularity()
        >>> for user, item in [("ann", "tea"), ("bob", "tea"), ("bob", "milk"), ("cid", "water")]:
        ...     peer.learn_one(user, item, 5.0)
        >>> peer.recommend("cid", k=2)
        ['tea', 'milk']
    """

    decay: Annotated[
        float, Meta(gt=0, le=1, description="Factor on the weight of each rating per event; 1 forgets nothing")
    ] = 1.0
    shrinkage: Annotated[float, Meta(ge=0, description="Weight of the mean of all, in ratings of an item")] = 5.0
    liked_from: Annotated[
        float | None, Meta(description="Least rating that counts for the ranking; None for every rating")
    ] = None

    def _start(self) -> None:
        super()._start()
        self._counts = np.zeros(1024)
        # A rating of now weighs more and more, so that the older ones need not be touched.
        self._weight = 1.0
        self._sums: list[float] = []
        self._n_ratings: list[int] = []
        self._total = 0.0
        self._n = 0

    def _predict(self, *event: Any) -> float | None:
        if not self._n:
            return None
        mean = self._total / self._n
        row = self._items.get(event[1])
        if row is None:
            return mean
        return (self._sums[row] + self.shrinkage * mean) / (self._n_ratings[row] + self.shrinkage)

    def _learn(self, *event_and_label: Any) -> None:
        user, item, y = event_and_label
        row = self._remember(user, item)
        if row == len(self._sums):
            self._sums.append(0.0)
            self._n_ratings.append(0)
            if row == len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros(row)])
        self._sums[row] += y
        self._n_ratings[row] += 1
        self._total += y
        self._n += 1
        self._weight /= self.decay
        if self.liked_from is None or y >= self.liked_from:
            self._counts[row] += self._weight
        if self._weight > RESCALE_AT:
            self._counts /= self._weight
            self._weight = 1.0

    def _scores(self, user: str) -> NDArray[np.float64]:  # noqa: ARG002 - the same for all users
        return self._counts[: len(self._names)]
