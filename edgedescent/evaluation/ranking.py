"""Scores of recommended lists: recall, NDCG, hit rate, coverage and novelty; running ones in bounded memory."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COVERED_LISTS_MAX = 1000
"""Number of last lists that the coverage of running scores is that of."""
COVERED_ITEMS_MAX = 100_000
"""Bound on their items together, 8 bytes each: longer lists are fewer."""
FADING = 0.999
"""Factor on the weight of a list in the recent scores with each list after it."""


class _Scored(NamedTuple):
    recall: float
    ndcg: float
    hit: float
    novelty: float
    recommended: tuple[Hashable, ...]


class RankingScores:
    """Prequential scores of the first k items of recommended lists, each made before its choice is learned.

    With R the first k recommended items of an event, in order, and C the items that were then chosen, mostly one:

    ::

        recall@k    |R ∩ C| / |C|
        hit rate@k  1 where R ∩ C is not empty, 0 elsewhere
        NDCG@k      sum of 1 / log2(rank + 1) over the ranks, from 1, of chosen items in R,
                    divided by the same sum for a list that begins with them
        novelty     mean over R of -log2 p(i), in bits       p(i) = (n(i) + 1) / (n + m)
        coverage    number of items in any R / number of items in the catalogue

    All but `coverage` are means over the events. ``n(i)`` counts the choices of item i so far and n all of them, before
    the event at hand; m is the number of items known by then. A novelty is as high as the items are rarely chosen. An
    event whose R is empty has recall, hit rate and NDCG 0, and does not count for novelty. With one choice an event,
    recall and hit rate are equal. The catalogue is the given one, or all items that were recommended or chosen so far.

    Memory grows with the number of items, and with `window`.

    Args:
        k: Number of items of each list that count.
        window: Number of events that are scored, the last ones; None for all. Popularity is that of all events.
        fading: Factor on the weight of an event with each event after it; 1 forgets nothing. Coverage does not fade.
        catalogue: All items that can be recommended; None if they are not known.

    References:
        Järvelin and Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4): NDCG.
        Cremonesi, Koren, Turrin (2010), "Performance of recommender algorithms on top-N recommendation tasks", RecSys:
        recall and hit rate.
        Ge, Delgado-Battenfeld, Jannach (2010), "Beyond accuracy: evaluating recommender systems by coverage and
        serendipity", RecSys: catalogue coverage.
        Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10):
        novelty as self-information.
        Vinagre, Jorge, Gama (2014), "Evaluation of recommender systems in streaming environments", RecSys REDD:
        prequential.

    Example:
        >>> scores = RankingScores(k=2, catalogue=["a", "b", "c", "d"])
        >>> scores.update(["a", "b"], "a")
        >>> scores.update(["c", "a"], "a")
        >>> scores.update(["c", "a"], "d")
        >>> {name: round(value, 3) for name, value in scores.summary().items()}
        {'recall': 0.667, 'ndcg': 0.544, 'hit_rate': 0.667, 'coverage': 0.75, 'novelty': 1.871}
    """

    def __init__(
        self,
        k: int = 10,
        *,
        window: int | None = None,
        fading: float = 1.0,
        catalogue: Iterable[Hashable] | None = None,
    ) -> None:
        if k < 1:
            raise ValueError(f"The k of a ranking must be >= 1. Got {k}.")
        if window is not None and window < 1:
            raise ValueError(f"The window must be >= 1 events. Got {window}.")
        if not 0 < fading <= 1:
            raise ValueError(f"The fading factor must be > 0 and <= 1. Got {fading}.")
        if window is not None and fading < 1:
            raise ValueError("Choose a window or a fading factor, not both.")
        self._k = k
        self._fading = fading
        self._catalogue = None if catalogue is None else frozenset(catalogue)
        self._items: set[Hashable] = set(self._catalogue or ())
        self._chosen: Counter[Hashable] = Counter()
        self._n_chosen = 0
        self._last: deque[_Scored] | None = None if window is None else deque(maxlen=window)
        self._recommended: set[Hashable] = set()
        self._sums = [0.0] * 4
        self._weight = self._novelty_weight = 0.0

    def update(self, recommended: Sequence[Hashable], *chosen: Hashable) -> None:
        """Score one list.

        Args:
            recommended: Items, the best first; those beyond the first k do not count.
            chosen: Items that were chosen.

        Raises:
            ValueError: If nothing was chosen, or the first k items are not distinct.
        """
        items = tuple(recommended[: self._k])
        wanted = frozenset(chosen)
        if not wanted:
            raise ValueError("A recommended list is scored by at least one chosen item. Got none.")
        if len(set(items)) < len(items):
            raise ValueError(f"The items of a recommended list must be distinct. Got {items!r:.200}.")
        self._items.update(items)
        scored = _Scored(*_accuracy(items, wanted, self._k), self._novelty(items), items)
        if self._last is None:
            self._add(scored)
        else:
            self._last.append(scored)
        self._items.update(wanted)
        self._chosen.update(wanted)
        self._n_chosen += len(wanted)

    def _novelty(self, items: Collection[Hashable]) -> float:
        """Mean self-information of items in bits; NaN of none."""
        if not items:
            return math.nan
        total = self._n_chosen + len(self._items)
        return math.fsum(math.log2(total / (self._chosen[item] + 1)) for item in items) / len(items)

    def _add(self, scored: _Scored) -> None:
        has_novelty = bool(scored.recommended)
        values = (scored.recall, scored.ndcg, scored.hit, scored.novelty if has_novelty else 0.0)
        self._sums = [self._fading * total + value for total, value in zip(self._sums, values, strict=True)]
        self._weight = self._fading * self._weight + 1.0
        self._novelty_weight = self._fading * self._novelty_weight + float(has_novelty)
        self._recommended.update(scored.recommended)

    def summary(self) -> dict[str, float]:
        """Scores so far by name; empty before the first list, and without `novelty` where every list is empty."""
        if self._last is None:
            weight, novelty_weight, recommended = self._weight, self._novelty_weight, self._recommended
            recall, ndcg, hit, novelty = self._sums
        else:
            weight, novelty_weight = float(len(self._last)), float(sum(bool(one.recommended) for one in self._last))
            recommended = {item for one in self._last for item in one.recommended}
            recall = math.fsum(one.recall for one in self._last)
            ndcg = math.fsum(one.ndcg for one in self._last)
            hit = math.fsum(one.hit for one in self._last)
            novelty = math.fsum(one.novelty for one in self._last if one.recommended)
        if not weight:
            return {}
        # What is recommended although it is not in the catalogue would make a coverage of more than 1.
        known = self._items if self._catalogue is None else self._catalogue
        scores = {
            "recall": recall / weight,
            "ndcg": ndcg / weight,
            "hit_rate": hit / weight,
            "coverage": len(recommended & known) / len(known) if known else 0.0,
        }
        if novelty_weight:
            scores["novelty"] = novelty / novelty_weight
        return scores


class PrequentialRanking:
    """Running recall@k, NDCG@k, hit rate and coverage of a daemon, in bounded memory, with a state that is saved.

    The definitions are those of `RankingScores`, for one chosen item per list. The recent scores are fading means: a
    list that is n lists old has the weight ``0.999^n``. The coverage is that of the last `COVERED_LISTS_MAX` lists, or
    as many as hold `COVERED_ITEMS_MAX` items; items are told apart by a hash of 64 bits.

    Args:
        k: Number of items of each list that count.

    Attributes:
        k: The same.
        n_choices: Number of choices so far, scored or not, as the caller counts them.

    Raises:
        ValueError: If `k` is less than 1.

    Example:
        >>> scores = PrequentialRanking(k=2)
        >>> scores.update(["a", "b"], "a")
        >>> scores.update(["c", "a"], "d")
        >>> {name: round(value, 3) for name, value in scores.summary(n_items=4).items() if "recent" not in name}
        {'lists_scored': 2, 'recall_at_k': 0.5, 'ndcg_at_k': 0.5, 'hit_rate_at_k': 0.5, 'catalogue_coverage': 0.75}
    """

    def __init__(self, k: int) -> None:
        if k < 1:
            raise ValueError(f"The k of a ranking must be >= 1. Got {k}.")
        self.k = k
        self.n_choices = 0
        self._n = 0
        self._sums = np.zeros(6)
        """Sums of recall, NDCG and hits; fading means of recall and NDCG, and their weight."""
        self._lists_max = max(min(COVERED_LISTS_MAX, COVERED_ITEMS_MAX // k), 1)
        self._lists = np.zeros((0, k), dtype=np.uint64)
        """Hashes of the items of the last lists; list n is in row ``n % lists_max``, and 0 stands for no item."""

    def update(self, recommended: Sequence[str], chosen: str) -> None:
        """Score one list.

        Args:
            recommended: Items, the best first; those beyond the first k do not count.
            chosen: The item that was chosen.
        """
        items = recommended[: self.k]
        recall, ndcg, hit = _accuracy(items, (chosen,), self.k)
        sums = self._sums
        sums[:3] += (recall, ndcg, hit)
        sums[3:] = FADING * sums[3:] + (1.0 - FADING) * np.array([recall, ndcg, 1.0])
        row = np.zeros((1, self.k), dtype=np.uint64)
        row[0, : len(items)] = [_hash(item) for item in items]
        if len(self._lists) < self._lists_max:
            self._lists = np.concatenate([self._lists, row])
        else:
            self._lists[self._n % self._lists_max] = row
        self._n += 1

    def summary(self, n_items: int) -> dict[str, float]:
        """Scores so far by name; none but their number before the first list.

        Args:
            n_items: Number of items of the catalogue.
        """
        if not self._n:
            return {"lists_scored": 0}
        recall, ndcg, hits, recent_recall, recent_ndcg, weight = self._sums.tolist()
        covered = np.unique(self._lists)
        return {
            "lists_scored": self._n,
            "recall_at_k": recall / self._n,
            "recall_at_k_recent": recent_recall / weight,
            "ndcg_at_k": ndcg / self._n,
            "ndcg_at_k_recent": recent_ndcg / weight,
            "hit_rate_at_k": hits / self._n,
            # Some of them may have left the catalogue.
            "catalogue_coverage": min(int(np.count_nonzero(covered)) / n_items, 1.0) if n_items else 0.0,
        }

    def save(self) -> dict[str, NDArray[np.generic]]:
        """State as named arrays."""
        return {
            "sums": self._sums.copy(),
            "lists": self._lists.copy(),
            "choices": np.array([self.n_choices, self._n], dtype=np.int64),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: If it belongs to another `k`, or no scores saved it.
            KeyError: If it is incomplete.
        """
        sums, lists, choices = state["sums"].astype(np.float64), state["lists"], state["choices"]
        if choices.shape != (2,) or sums.shape != (6,) or not np.isfinite(sums).all() or (sums < 0).any():
            raise ValueError("These are no scores of a ranking.")
        n_choices, n = (int(count) for count in choices)
        if not 0 <= n <= n_choices or lists.shape != (min(n, self._lists_max), self.k) or lists.dtype != np.uint64:
            raise ValueError(f"{lists.shape} lists of {n} are not those of a ranking with k {self.k}.")
        self.n_choices, self._n = n_choices, n
        self._sums = sums
        self._lists = lists.astype(np.uint64)


def _hash(item: str) -> int:
    """Hash of an item, never 0."""
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "little") or 1


def _accuracy(items: Sequence[Hashable], wanted: Collection[Hashable], k: int) -> tuple[float, float, float]:
    """Recall, NDCG and hit of one list."""
    ranks = [rank for rank, item in enumerate(items, start=1) if item in wanted]
    if not ranks:
        return 0.0, 0.0, 0.0
    ideal = range(1, min(k, len(wanted)) + 1)
    return len(ranks) / len(wanted), _gain(ranks) / _gain(ideal), 1.0


def _gain(ranks: Iterable[int]) -> float:
    return math.fsum(1.0 / math.log2(rank + 1) for rank in ranks)
