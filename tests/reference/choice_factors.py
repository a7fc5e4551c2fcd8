"""Twin of the factors of choices in plain Python, in double precision and without bounds."""

from __future__ import annotations

import math

import numpy as np

from reference.features import siphash24
from reference.numerics import SplitMix64


class ChoiceFactors:
    """Factors as dictionaries; the latest 1,000 choices as a list."""

    def __init__(self, n_factors: int, seed: int = 1) -> None:
        self.n_factors, self.seed = n_factors, seed
        self.random = SplitMix64(seed ^ 0x2545F4914F6CDD1D)
        self.users: dict[str, np.ndarray] = {}
        self.items: dict[str, np.ndarray] = {}
        self.biases: dict[str, float] = {}
        self.user_steps: dict[str, int] = {}
        self.item_steps: dict[str, int] = {}
        self.recent: list[str] = []
        self.n_recent = 0

    def start(self, user: str, item: str) -> None:
        """Give ids that never came their first factors."""
        if user not in self.users:
            self.users[user], self.user_steps[user] = np.zeros(self.n_factors), 0
        if item not in self.items:
            generator = SplitMix64(siphash24(item.encode()) ^ self.seed)
            self.items[item] = np.array([0.1 * generator.normal() for _ in range(self.n_factors)])
            self.biases[item], self.item_steps[item] = 0.0, 0

    def score(self, user: str, item: str | None) -> float:
        """How much likelier the user is to choose the item than others are, in log odds."""
        if item not in self.items:
            return 0.0
        product = float(self.users[user] @ self.items[item]) if user in self.users else 0.0
        return self.biases[item] + product

    def learn(self, user: str, item: str) -> None:
        """Learn a choice of an item that came before."""
        for _ in range(4 if self.recent else 0):
            other = self.recent[self.random.below(len(self.recent))]
            if other != item:
                self.prefer(user, item, other)
        if len(self.recent) < 1000:
            self.recent.append(item)
        else:
            self.recent[self.n_recent % 1000] = item
        self.n_recent += 1

    def prefer(self, user: str, item: str, other: str) -> None:
        """Take a step towards the item before another one."""
        slope = 1 / (1 + math.exp(self.score(user, item) - self.score(user, other)))
        p, q, r = self.users[user].copy(), self.items[item].copy(), self.items[other].copy()
        p_rate, q_rate, r_rate = (
            0.2 / (1 + steps[key] / 4) ** 0.25
            for steps, key in ((self.user_steps, user), (self.item_steps, item), (self.item_steps, other))
        )
        self.user_steps[user] += 1
        self.item_steps[item] += 1
        self.item_steps[other] += 1
        self.biases[item] += q_rate * (slope - 0.01 * self.biases[item])
        self.biases[other] -= r_rate * (slope + 0.01 * self.biases[other])
        self.users[user] = p + p_rate * (slope * (q - r) - 0.01 * p)
        self.items[item] = q + q_rate * (slope * p - 0.01 * q)
        self.items[other] = r - r_rate * (slope * p + 0.01 * r)
