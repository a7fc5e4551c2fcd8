"""Twin of the ranking model in plain Python, for few events and less than 400 items: no bounds."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from reference.choice_factors import ChoiceFactors

FLOOR = 0.05
FOLLOWERS = (1e6, 2000.0, 6000.0)
SCALES = (100.0, 50.0, 50.0, 50.0, 50.0, math.e - 1.0, math.e - 1.0)


class Ranking:
    """Popularity, neighbours and followers as dictionaries; every count is decayed at every event."""

    def __init__(
        self,
        horizons: tuple[float, ...],
        first: tuple[float, ...],
        rate: float,
        latest: int,
        shrinkage: float,
        n_factors: int,
    ) -> None:
        self.factors = ChoiceFactors(n_factors) if n_factors else None
        self.horizons, self.first, self.rate = horizons, np.array(first), rate
        self.latest, self.shrinkage = latest, shrinkage
        self.popularity: list[dict[str, float]] = [{} for _ in horizons]
        self.born: dict[str, int] = {}
        self.history: dict[str, list[str]] = defaultdict(list)
        self.habits: dict[str, list[float]] = {}
        self.n_pairs: dict[tuple[str, str], float] = defaultdict(float)
        self.n_paired: dict[str, float] = defaultdict(float)
        self.follows = [defaultdict(float) for _ in FOLLOWERS]
        self.followed = [defaultdict(float) for _ in FOLLOWERS]
        self.weights = np.zeros((9, len(first)))
        self.weights[0] = first
        self.squares = np.full(self.weights.shape, 0.1)
        self.popular: dict[str, float] = {}
        self.now = 0

    def context(self, user: str) -> np.ndarray:
        """What the weights depend on."""
        if user not in self.habits:
            return np.array([1.0, 1.0, *[0.0] * 7])
        n, popularity, age, fast, last = self.habits[user]
        gap = math.log1p(self.now - last)
        return np.array(
            [1, 0, n < 3, n >= 8, n >= 30, popularity / n / 2 + 1, (age / n - 7) / 2, (gap - 6) / 3, fast / 2 + 1],
            dtype=float,
        )

    def features(self, user: str, item: str | None) -> np.ndarray:
        """Features of an item, an unknown one for None."""
        dense = [math.log(counts.get(item or "", 0.0) + FLOOR) for counts in self.popularity]
        dense.append(math.log(1 + self.now - self.born[item]) / 3 if item else 0.0)
        sparse = [0.0] * 7
        latest = self.history[user][::-1]
        useful = [h for h in latest if self.n_paired[h] > 1.0][: self.latest]
        for h in useful if item else []:
            together = self.n_pairs[h, item]
            if together:
                cosine = together / math.sqrt(self.n_paired[h] * self.n_paired[item])
                sparse[0] += cosine * together / (together + self.shrinkage) / len(useful)
        for p, h in enumerate(latest if item else []):
            for g in range(3 if p < self.latest else 0):
                sparse[2 + g] += 0.8**p * self.follows[g][h, item] / (self.followed[g][h] + self.shrinkage)
            if p == 0 and self.latest:
                sparse[1] = self.follows[0][h, item] / (self.followed[0][h] + self.shrinkage)
            if h == item:
                sparse[5], sparse[6] = 1.0, 0.8**p
        factors = [self.factors.score(user, item)] if self.factors else []
        return np.array([*dense, *(math.log(1 + s * x) for s, x in zip(SCALES, sparse, strict=True)), *factors])

    def log_odds(self, user: str, item: str) -> float:
        """Score of an item over that of an unknown one."""
        weights = self.context(user) @ self.weights
        return float(weights @ (self.features(user, item) - self.features(user, None)))

    def recommend(self, user: str) -> list[str]:
        """All items, the 100 best by the first weights sorted by the learned ones."""
        items = list(self.born)
        base = sorted(items, key=lambda item: -float(self.first @ self.features(user, item)))
        if not self.rate:
            return base
        return sorted(base[:100], key=lambda item: -self.log_odds(user, item)) + base[100:]

    def learn(self, user: str, item: str) -> None:
        """Learn a choice."""
        is_new = item not in self.born
        if self.rate and self.now % (1 + (len(self.born) + 1) // 256) == 0:
            self.renew()
        if self.rate and not is_new and len(self.born) >= 2:
            self.learn_weights(user, item)
        self.born.setdefault(item, self.now)
        popularity = math.log(self.popularity[0].get(item, 0.0) + FLOOR)
        habit = self.habits.setdefault(user, [0.0, 0.0, 0.0, popularity, 0.0])
        habit[0] += 1
        habit[1] += popularity
        habit[2] += math.log1p(self.now - self.born[item])
        habit[3] += 0.3 * (popularity - habit[3])
        habit[4] = self.now
        for counts, horizon in zip(self.popularity, self.horizons, strict=True):
            if not is_new:
                for key in counts:
                    counts[key] *= 1 - 1 / horizon
            counts[item] = counts.get(item, 0.0) + 1.0
        if self.factors:
            self.factors.start(user, item)
            if not is_new:
                self.factors.learn(user, item)
        self.count_pairs(user, item, is_new)
        if item in self.history[user]:
            self.history[user].remove(item)
        self.history[user].append(item)
        self.now += 1

    def count_pairs(self, user: str, item: str, is_new: bool) -> None:
        """Count the item with the latest other ones of the user."""
        if not is_new:
            for g, horizon in enumerate(FOLLOWERS):
                for table in (self.follows[g], self.followed[g]):
                    for key in table:
                        table[key] *= 1 - 1 / horizon
            for counts in (self.n_pairs, self.n_paired):
                for key in counts:
                    counts[key] *= 1 - 1e-6
        others = [h for h in self.history[user][::-1] if h != item][: self.latest]
        if others and len({*self.history[user], item}) == 2:
            self.n_paired[others[0]] += 1.0
        for p, h in enumerate(others):
            self.n_pairs[h, item] += 1.0
            self.n_pairs[item, h] += 1.0
            for g in range(3 if p < 5 else 0):
                self.follows[g][h, item] += 0.7**p
                self.followed[g][h] += 0.7**p
        if others:
            self.n_paired[item] += 1.0

    def renew(self) -> None:
        """Score the popularity of all items by the first weights."""
        weights = self.first[: len(self.horizons)]
        for item in self.born:
            logs = [math.log(counts.get(item, 0.0) + FLOOR) for counts in self.popularity]
            self.popular[item] = float(weights @ np.array(logs))

    def learn_weights(self, user: str, item: str) -> None:
        """Take a step on the choice among the best 100 others by the first weights, and the user's latest items."""
        n_dense = len(self.horizons) + 1
        sparse = slice(n_dense, n_dense + len(SCALES))
        first = {one: self.popular.get(one, -1e9) for one in self.born if one not in self.history[user]}
        near = {j for pairs in (self.n_pairs, self.follows[0]) for h, j in pairs if h in self.history[user]}
        for one in first.keys() & near:
            first[one] += float(self.first[sparse] @ self.features(user, one)[sparse])
        for one in first if self.factors else ():
            first[one] += float(self.first[-1] * self.factors.score(user, one))
        best: list[str | None] = [*sorted(first, key=lambda one: -first[one])[:100], *self.history[user][:-29:-1]]
        if item not in best:
            return
        context = self.context(user)
        # An unknown item is one more that was not chosen.
        best.append(None)
        x = np.array([self.features(user, one) for one in best])
        scores = np.exp(x @ (context @ self.weights))
        chosen = np.array([one == item for one in best], dtype=float)
        slope = np.outer(context, (chosen - scores / scores.sum()) @ x)
        self.squares += slope**2
        self.weights += self.rate * slope / np.sqrt(self.squares)
