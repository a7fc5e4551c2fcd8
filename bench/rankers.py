"""Contestants of recommend.py: one way for ours and for peers to learn choices and to rank items."""

from __future__ import annotations

import importlib.util
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from edgedescent import BPR, AutoRanker, DecayedPopularity, ItemNeighbours, SessionCooccurrence
from edgedescent_sims.peers.popularity import Popularity
from edgedescent_sims.peers.river_ratings import RiverBaseline, RiverBiasedMF

LIBRARY = {"River": "river", "implicit": "implicit"}
"""Library of the contestants whose name begins so."""


class Contestant(Protocol):
    """Interface of a ranker in the benchmark."""

    def best(self, user: str, had: Sequence[str], k: int) -> list[str]:
        """Return the `k` best items for a user who had some."""

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""


class Ours:
    """A recommender of EdgeDescent; what the user had is given, because it remembers only the latest items."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def best(self, user: str, had: Sequence[str], k: int) -> list[str]:
        """Return the `k` best items for a user who had some."""
        found: list[str] = self.model.recommend(user, k=k, exclude=had)
        return found

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""
        self.model.learn_one(user, item)


class FromPeer:
    """A peer of the simulators, which remembers all that a user had."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def best(self, user: str, had: Sequence[str], k: int) -> list[str]:  # noqa: ARG002 - it knows
        """Return the `k` best items for a user who had some."""
        found: list[str] = self.peer.recommend(user, k=k)
        return found

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""
        self.peer.learn_one(user, item, 1.0)


class CosineNeighbours:
    """Item neighbours without bounds: shrunken cosines to the user's latest items, plus a share of the popularity.

    ::

        score_i = Σ over the latest items h: n_hi / sqrt(n_h n_i) · n_hi / (n_hi + 5)  +  weight · popularity_i

    Args:
        latest: Number of the user's latest items that count.
        weight: Weight of the popularity, as a share of the choices that it remembers; ties only if 0.
        horizon: Number of choices after which one counts 1/e in the popularity.
    """

    def __init__(self, latest: int = 5, weight: float = 0.0, horizon: float = 1500.0) -> None:
        self.weight, self.decay = max(weight, 1e-9), 1.0 - 1.0 / horizon
        self.unit = 1.0
        self.rows: dict[str, int] = {}
        self.names: list[str] = []
        self.popularity = np.zeros(1024)
        self.counts = np.zeros(1024)
        self.together: list[Counter[int]] = []
        self.history: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=latest))

    def best(self, user: str, had: Sequence[str], k: int) -> list[str]:
        """Return the `k` best items for a user who had some."""
        n = len(self.names)
        scores = self.popularity[:n] * (self.weight / max(self.popularity[:n].sum(), 1e-300))
        for h in self.history[user]:
            rows = np.fromiter(self.together[h].keys(), dtype=np.intp, count=len(self.together[h]))
            pairs = np.fromiter(self.together[h].values(), dtype=np.float64, count=len(rows))
            scores[rows] += pairs / np.sqrt(self.counts[h] * self.counts[rows]) * pairs / (pairs + 5.0)
        scores[[self.rows[item] for item in had]] = -1.0
        top = np.argpartition(-scores, min(k, n - 1))[: k + 1]
        best = top[np.argsort(-scores[top], kind="stable")][:k]
        return [self.names[row] for row in best[scores[best] >= 0.0]]

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""
        row = self.rows.setdefault(item, len(self.names))
        if row == len(self.names):
            self.names.append(item)
            self.together.append(Counter())
            if row == len(self.counts):
                self.counts, self.popularity = (
                    np.concatenate([array, np.zeros(row)]) for array in (self.counts, self.popularity)
                )
        for h in self.history[user]:
            self.together[h][row] += 1
            self.together[row][h] += 1
        self.history[user].append(row)
        self.counts[row] += 1.0
        self.unit /= self.decay
        self.popularity[row] += self.unit
        if self.unit > 1e100:
            self.popularity /= self.unit
            self.unit = 1.0


class Refitted:
    """A model of the library implicit, fitted anew to all choices so far every `period` of them.

    Users and items that came since are unknown to it: such a user gets what was popular at the last fit.

    Args:
        make: Makes the model.
        period: Number of choices from one fit to the next.
        first: Number of choices before the first fit.
    """

    def __init__(self, make: Callable[[], Any], period: int = 1000, first: int = 9000) -> None:
        self.make, self.period, self.first = make, period, first
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self.pairs: list[tuple[int, int]] = []
        self.names: list[str] = []

    def _fit(self) -> None:
        from scipy.sparse import csr_matrix

        rows, columns = np.array(self.pairs).T
        shape = (len(self.users), len(self.items))
        self.matrix = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
        self.matrix.sum_duplicates()
        self.model = self.make()
        self.model.fit(self.matrix, show_progress=False)
        self.names = list(self.items)
        self.popular = np.argsort(-np.bincount(columns, minlength=len(self.names)), kind="stable")

    def best(self, user: str, had: Sequence[str], k: int) -> list[str]:
        """Return the `k` best items for a user who had some."""
        if not self.names:
            self._fit()
        row = self.users.get(user)
        if row is None or row >= self.matrix.shape[0]:
            left_out = set(had)
            return [name for name in (self.names[i] for i in self.popular[: k + len(had)]) if name not in left_out][:k]
        # What the user had since the last fit is left out too.
        found, _ = self.model.recommend(row, self.matrix[row], N=k + len(had), filter_already_liked_items=True)
        left_out = set(had)
        return [name for name in (self.names[i] for i in found) if name not in left_out][:k]

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""
        pair = self.users.setdefault(user, len(self.users)), self.items.setdefault(item, len(self.items))
        self.pairs.append(pair)
        if len(self.pairs) >= self.first and len(self.pairs) % self.period == 0:
            self._fit()


def als() -> Any:
    """Alternating least squares of implicit, with its defaults but for the seed and one thread."""
    from implicit.als import AlternatingLeastSquares

    return AlternatingLeastSquares(factors=64, random_state=1, num_threads=1)


def implicit_bpr() -> Any:
    """BPR of implicit, with its defaults but for the seed and one thread."""
    from implicit.bpr import BayesianPersonalizedRanking

    return BayesianPersonalizedRanking(factors=64, random_state=1, num_threads=1)


@dataclass(frozen=True)
class Entry:
    """A contestant and what it is compared as."""

    name: str
    make: Callable[[], Contestant]
    role: Literal["ours", "part", "baseline", "library"] = "baseline"

    def why_not(self) -> str | None:
        """Reason why it cannot take part; None if it can."""
        module = LIBRARY.get(self.name.split()[0])
        return f"{module} is not installed" if module and importlib.util.find_spec(module) is None else None


def popularity(horizon: float | None) -> Callable[[], Contestant]:
    """Popularity of all time, or forgetting with a horizon in choices."""
    return lambda: FromPeer(Popularity(decay=1.0 if horizon is None else 1.0 - 1.0 / horizon))


ENTRIES = [
    Entry("AutoRanker", lambda: Ours(AutoRanker()), "ours"),
    Entry("SessionCooccurrence", lambda: Ours(SessionCooccurrence()), "part"),
    Entry("ItemNeighbours", lambda: Ours(ItemNeighbours()), "part"),
    Entry("DecayedPopularity", lambda: Ours(DecayedPopularity()), "part"),
    Entry("BPR", lambda: Ours(BPR()), "part"),
    Entry("popularity, all time", popularity(None)),
    Entry("popularity, horizon 200", popularity(200.0)),
    Entry("popularity, horizon 1,000", popularity(1000.0)),
    Entry("popularity, horizon 5,000", popularity(5000.0)),
    Entry("item neighbours, latest 5", CosineNeighbours),
    Entry("the same and popularity", lambda: CosineNeighbours(weight=50.0)),
    Entry("River Baseline", lambda: FromPeer(RiverBaseline()), "library"),
    Entry("River BiasedMF", lambda: FromPeer(RiverBiasedMF()), "library"),
    Entry("implicit ALS, refitted", lambda: Refitted(als), "library"),
    Entry("implicit BPR, refitted", lambda: Refitted(implicit_bpr), "library"),
]
