"""AutoRecommender, written for reading: the specification of its kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgedescent.losses import AbsoluteLoss
from reference.ensemble import LeastSquares, Mixture
from reference.features import Scaler, siphash24
from reference.learners import in_units, standardized_target
from reference.losses import LOSSES
from reference.numerics import SplitMix64

Vector = NDArray[np.float64]


class Side:
    """What is known of a user or an item."""

    def __init__(self, bias: float, factors: Vector) -> None:
        self.bias, self.factors = bias, factors
        self.ratings: list[float] = []
        self.residuals: list[float] = []

    def recent(self, cold: float, decay: float, shrinkage: float) -> float:
        """Time-decayed residual, shrunken to the bias of unknown ids as it was at the last rating."""
        ages = decay ** np.arange(len(self.residuals))[::-1]
        return float((ages @ np.array(self.residuals) + shrinkage * cold) / (ages.sum() + shrinkage))

    def spread(self, m: float) -> float:
        """Shrunken deviation of the ratings, less 1."""
        squares = float(np.var(self.ratings)) * len(self.ratings) if self.ratings else 0.0
        return float(np.sqrt((squares + m) / (len(self.ratings) + m)) - 1)


class Ensemble:
    """AutoRecommender with tables that are never full."""

    def __init__(self, n_factors: int, init_scale: float, seed: int) -> None:
        self.n_factors, self.init_scale, self.seed = n_factors, init_scale, seed
        self.target, self.loss = Scaler(10.0, 0.0002), LOSSES["adaptive_huber"](3.0, 0.002)
        self.sides: tuple[dict[str, Side], dict[str, Side]] = ({}, {})
        self.cold, self.n_begun = [0.0, 0.0], [0, 0]
        # The bias of unknown ids at the last rating of each id.
        self.cold_of: tuple[dict[str, float], dict[str, float]] = ({}, {})
        self.stack = LeastSquares(16, 0.9999, 0.05, 2.2)
        self.stack.w[1:4] = 1.0
        self.mixture = Mixture(3, (), 0.9999, AbsoluteLoss())
        self.y_min = self.y_max = 0.0
        self.n_events = 0

    def side(self, number: int, key: str) -> Side:
        return self.sides[number].get(key) or Side(self.cold[number], np.zeros(self.n_factors))

    def inputs(self, user: str, item: str) -> Vector:
        u, i = self.side(0, user), self.side(1, item)
        last_u, last_i = ([0.0, *one.ratings][-1] for one in (u, i))
        known_u, known_i = (np.log(1 + len(one.ratings)) / 3 for one in (u, i))
        recent_u = u.recent(self.cold_of[0].get(user, self.cold[0]), 0.9, 3.0) if u.ratings else u.bias
        recent_i = i.recent(self.cold_of[1].get(item, self.cold[1]), 0.99, 5.0) if i.ratings else i.bias
        spread_u, spread_i = u.spread(3.0), i.spread(5.0)
        of_one = [1.0, u.bias, i.bias, float(u.factors @ i.factors), last_u, recent_u, last_i, recent_i, spread_u]
        of_both = [last_u * known_u, last_u * known_i, u.bias * known_i, spread_u * i.bias, u.bias * spread_i]
        return np.array([*of_one, *of_both, spread_u * known_u, spread_u * known_i])

    def experts(self, x: Vector) -> Vector:
        return np.array([x[1] + x[2], x[1] + x[2] + x[3], self.stack.w @ x])

    def predict(self, user: str, item: str) -> float:
        score = float(self.mixture.weights() @ self.experts(self.inputs(user, item)))
        return min(max(in_units(self.target, score), self.y_min), self.y_max)

    def learn(self, user: str, item: str, y: float) -> None:
        x, z = self.inputs(user, item), standardized_target(self.target, y)
        self.mixture.mix(self.experts(x), 0.0, -10.0, 10.0)
        self.mixture.learn(0.0, z)
        self.stack.learn(x, z)
        begins = [key not in side for key, side in zip((user, item), self.sides, strict=True)]
        for number, key in enumerate((user, item)):
            if begins[number]:
                generator = SplitMix64(siphash24(key.encode()) ^ (2 * self.seed + number))
                factors = [self.init_scale * generator.normal() for _ in range(self.n_factors)]
                self.sides[number][key] = Side(self.cold[number], np.array(factors))
        self.learn_sides(user, item, z, begins)
        if not all(begins) or self.target.n < 32:
            self.target.observe(y)
        self.y_min = min(self.y_min, y) if self.n_events else y
        self.y_max = max(self.y_max, y) if self.n_events else y
        self.n_events += 1

    def learn_sides(self, user: str, item: str, z: float, begins: list[bool]) -> None:
        u, i = self.sides[0][user], self.sides[1][item]
        taste = 0.0 if any(begins) else float(u.factors @ i.factors)
        score = u.bias + i.bias + taste
        slope = self.loss.slope(z, score)
        self.loss.observe(z, score)
        for number, (one, other, key) in enumerate(((u, i, user), (i, u, item))):
            one.ratings.append(z)
            one.residuals.append(z - other.bias - taste)
            self.cold_of[number][key] = self.cold[number]
        rates = [0.0 if new else 0.3 * len(one.ratings) ** -0.125 for one, new in ((u, begins[1]), (i, begins[0]))]
        step = slope / (1 + rates[0] * i.factors @ i.factors + rates[1] * u.factors @ u.factors)
        p, q = u.factors, i.factors
        largest = np.sqrt(10.0 / self.n_factors)
        u.factors = (p - rates[0] * (step * q + 0.05 * p)).clip(-largest, largest)
        i.factors = (q - rates[1] * (step * p + 0.05 * q)).clip(-largest, largest)
        for number, one in enumerate((u, i)):
            one.bias -= 0.3 / np.sqrt(len(one.ratings)) * (slope + 0.005 * (one.bias - self.cold[number]))
        for number, new in enumerate(begins):
            if new:
                self.n_begun[number] += 1
                self.cold[number] -= 0.3 / np.sqrt(self.n_begun[number]) * slope
