"""Popularity that forgets, as a baseline of recommended lists: its hit rate over the same choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

HORIZON = 1000.0
"""Number of choices after which a choice counts 1/e."""
ITEMS_MAX = 16_384
"""Number of items that are counted; a new one takes the place of the one that counts least."""
CHUNK_MIN = 16
"""Smallest number of items that are asked for at once whether lists may hold them."""
_RESCALE_AT = 1e100


class PopularityBaseline:
    """Hit rate of the k items that were chosen most often lately, the same for all users.

    ::

        c_i <- (1 - 1 / horizon) c_i + [i is chosen]            at every choice

    A choice is a hit if fewer than k other items count more, or as much and came first. No list is made for that. Items
    that lists may not hold, because they are withdrawn or the user had them, do not count.

    Args:
        k: Number of items of each list that count.

    Example:
        >>> popularity = PopularityBaseline(k=1)
        >>> for item in ("tea", "tea", "milk", "tea"):
        ...     popularity.score(popularity.is_hit(item))
        ...     popularity.learn(item)
        >>> popularity.summary()
        {'hit_rate_at_k_popularity': 0.5}
    """

    def __init__(self, k: int) -> None:
        self.k = k
        self._rows: dict[str, int] = {}
        self._items: list[str] = []
        self._counts = np.zeros(0)
        """Counts of the items, in units of the weight that the next choice has."""
        self._weight = 1.0
        """Weight of the next choice: that it grows is what makes the others less."""
        self._n = self._hits = 0

    def is_hit(self, item: str, count_allowed: Callable[[tuple[str, ...]], int] = len) -> bool:
        """True if an item is among the k most popular of those that lists may hold.

        Args:
            item: The item; one that was never chosen is in no list.
            count_allowed: Function that counts, of some items, those that lists may hold.
        """
        row = self._rows.get(item)
        if row is None:
            return False
        counts = self._counts[: len(self._items)]
        own, n_allowed = counts[row], 0
        ahead = np.flatnonzero(counts >= own)
        # Of those that count as much, the ones that came first.
        ahead = ahead[(ahead < row) | (counts[ahead] > own)]
        chunk = max(self.k, CHUNK_MIN)
        for first in range(0, len(ahead), chunk):
            n_allowed += count_allowed(tuple(self._items[i] for i in ahead[first : first + chunk].tolist()))
            if n_allowed >= self.k:
                return False
        return True

    def score(self, hit: bool) -> None:
        """Score one choice, before it is learned.

        Args:
            hit: True if the item was in the list.
        """
        self._n += 1
        self._hits += hit

    def learn(self, item: str) -> None:
        """Count a choice.

        Args:
            item: The item that was chosen.
        """
        row = self._rows.get(item)
        if row is None:
            row = self._add(item)
        self._counts[row] += self._weight
        self._weight *= 1.0 / (1.0 - 1.0 / HORIZON)
        if self._weight > _RESCALE_AT:
            self._counts /= self._weight
            self._weight = 1.0

    def _add(self, item: str) -> int:
        """Give an item a row."""
        row = len(self._items)
        if row < ITEMS_MAX:
            self._items.append(item)
            if row == len(self._counts):
                self._counts = np.concatenate([self._counts, np.zeros(max(64, row))])
        else:
            row = int(np.argmin(self._counts[:row]))
            del self._rows[self._items[row]]
            self._items[row] = item
            self._counts[row] = 0.0
        self._rows[item] = row
        return row

    def summary(self) -> dict[str, float]:
        """Hit rate so far by name; nothing before the first choice that was scored."""
        return {"hit_rate_at_k_popularity": self._hits / self._n} if self._n else {}

    def save(self) -> dict[str, Any]:
        """State as named arrays and a list."""
        return {
            "items": list(self._items),
            "counts": self._counts[: len(self._items)].copy(),
            "scores": np.array([self._weight, self._n, self._hits], dtype=np.float64),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: If no baseline saved it.
            KeyError: If it is incomplete.
        """
        items, counts, scores = state["items"], _floats(state["counts"]), _floats(state["scores"])
        if counts.shape != (len(items),) or len(items) > ITEMS_MAX or len(set(items)) != len(items):
            raise ValueError("The items of a popularity and their counts do not fit.")
        if scores.shape != (3,) or not 1.0 <= scores[0] <= _RESCALE_AT or not 0 <= scores[2] <= scores[1] < 2.0**53:
            raise ValueError("These are no scores of a popularity.")
        if not all(isinstance(item, str) for item in items):
            raise ValueError("An item of a popularity is no text.")
        self._items, self._counts = list(items), counts
        self._rows = {item: row for row, item in enumerate(self._items)}
        self._weight, self._n, self._hits = float(scores[0]), int(scores[1]), int(scores[2])


def _floats(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Copy of an array of counts.

    Raises:
        ValueError: If one is negative or not finite.
    """
    found = np.array(values, dtype=np.float64)
    if not np.isfinite(found).all() or (found < 0).any():
        raise ValueError("A count of a popularity is negative or not finite.")
    return found
