"""Base class of peers that rank items for a user."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgedescent.validation import require_count
from edgedescent_sims.peers.base import Peer


@dataclass(kw_only=True, eq=False)
class Ranker(Peer):
    """Base class of peers that predict ratings and rank items.

    It keeps every item, and for each user the items of learned ratings. A subclass implements `_scores`, and calls
    `_remember` when it learns.
    """

    input_kind: ClassVar[Literal["features", "ratings", "both"]] = "ratings"

    def _start(self) -> None:
        self._items: dict[str, int] = {}
        self._names: list[str] = []
        self._seen: dict[str, set[int]] = {}

    @abstractmethod
    def _scores(self, user: str) -> NDArray[np.float64]:
        """Return the score of each item for a user, in the order in which the items were first learned."""

    def _remember(self, user: str, item: str) -> int:
        """Return the number of the item, and mark it as seen by the user."""
        row = self._items.setdefault(item, len(self._names))
        if row == len(self._names):
            self._names.append(item)
        self._seen.setdefault(user, set()).add(row)
        return row

    def recommend(self, user: str, k: int = 10, exclude_seen: bool = True) -> list[str]:
        """Return the `k` items with the highest scores for `user`, best first; of equal ones, the older first.

        Args:
            user: Id of the user; one that was never learned gets a ranking too.
            k: Largest number of items.
            exclude_seen: True to leave out the items of the user's own ratings.

        Raises:
            ValueError: If `k` is not a whole number of at least 1.
        """
        require_count("recommend", "k", k, at_least=1)
        self.start()
        scores = np.array(self._scores(user))
        rows: Any = np.arange(len(scores))
        if exclude_seen and user in self._seen:
            rows = np.delete(rows, list(self._seen[user]))
        if len(rows) > k:
            least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
            rows = rows[scores[rows] >= least]
        best = rows[np.argsort(-scores[rows], kind="stable")[:k]]
        return [self._names[row] for row in best.tolist()]
