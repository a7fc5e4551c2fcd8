"""Reference implementations of the linear regressor and of matrix factorization as wholes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reference.features import Scaler, Vocabulary, siphash24
from reference.losses import LOSSES
from reference.numerics import SplitMix64, bounded, is_usable
from reference.optim import COORDINATES, Coordinate


def in_units(target: Scaler, score: float) -> float:
    return target.mean + math.sqrt(target.variance) * score


def standardized_target(target: Scaler, y: float) -> float:
    """In units of standard deviations, and as far off as one that the statistics take in at most."""
    return target.standardize(y)


class Linear:
    """LinearRegressor as a whole."""

    def __init__(
        self,
        rule: str,
        hyper: tuple[float, ...],
        loss: str,
        loss_hyper: tuple[float, ...],
        *,
        l2: float = 0.0,
        clip: float = 5.0,
        forgetting: float = 0.0002,
        features_max: int = 4096,
        when_full: str = "evict",
        replay_size: int = 2000,
        replay_steps: int = 0,
        seed: int = 1,
    ) -> None:
        self.new_weight: Callable[[], Coordinate] = lambda: COORDINATES[rule](*hyper)
        self.new_moments: Callable[[], Scaler] = lambda: Scaler(clip, forgetting)
        self.lr = hyper[0]
        self.loss = LOSSES[loss](*loss_hyper)
        self.l2 = l2
        self.vocabulary = Vocabulary(features_max, when_full)
        self.intercept = self.new_weight()
        self.weights: dict[str, Coordinate] = {}
        self.inputs: dict[str, Scaler] = {}
        self.indicators: set[str] = set()
        self.target = Scaler(2 * clip, forgetting)
        self.replay_size, self.replay_steps = replay_size, replay_steps
        self.random = SplitMix64(seed)
        self.replay_buffer: deque[tuple[dict[str, float], float, int]] = deque(maxlen=replay_size)
        self.n_events = 0
        self.n_skipped_targets = 0
        self.n_skipped_values = 0

    def score(self, x: Mapping[str, float]) -> float:
        return self.intercept.w + sum(self.weights[k].w * self.standardize(k, v) for k, v in x.items())

    def standardize(self, name: str, x: float) -> float:
        moments = self.inputs[name]
        if name not in self.indicators:
            return moments.standardize(x)
        return min(max(x / moments.mean, -moments.clip), moments.clip)

    def find_indicator(self, name: str) -> None:
        """Tell a feature that has had a single value, and was absent in between, from other numbers."""
        moments = self.inputs[name]
        n_since = self.n_events - self.vocabulary.born_of[name] + 1
        if moments.variance == 0 and abs(moments.mean) >= 1e-100 and 1 < moments.n < n_since:
            self.indicators.add(name)
        else:
            self.indicators.discard(name)

    def predict_one(self, x: Mapping[str, float | None]) -> float:
        known = {k: float(v) for k, v in x.items() if v is not None and is_usable(v) and k in self.weights}
        return in_units(self.target, self.score(known))

    def learn_one(self, x: Mapping[str, float | None], y: float) -> None:
        if not is_usable(y):
            self.n_skipped_targets += 1
            return
        self.n_skipped_values += sum(v is not None and not is_usable(v) for v in x.values())
        usable = {k: float(v) for k, v in x.items() if v is not None and is_usable(v)}
        for known in [k for k in usable if k in self.weights]:
            self.vocabulary.learn(known, self.n_events)
        for new in [k for k in usable if k not in self.weights]:
            row, gone = self.vocabulary.learn(new, self.n_events)
            if gone is not None:
                del self.weights[gone], self.inputs[gone]
                self.indicators.discard(gone)
            if row:
                self.weights[new], self.inputs[new] = self.new_weight(), self.new_moments()
        usable = {k: v for k, v in usable.items() if k in self.weights}

        target, score = standardized_target(self.target, y), bounded(self.score(usable))
        self.step(usable, target)
        self.loss.observe(target, score)
        for k, v in usable.items():
            self.inputs[k].observe(v)
            self.find_indicator(k)
        self.target.observe(y)
        self.replay(usable, y)
        self.n_events += 1

    def step(self, usable: Mapping[str, float], target: float) -> None:
        slope = self.loss.slope(target, bounded(self.score(usable)))
        gradients = {k: slope * self.standardize(k, v) + self.l2 * self.weights[k].w for k, v in usable.items()}
        touched = [(self.intercept, slope), *((self.weights[k], bounded(g)) for k, g in gradients.items())]
        for weight, g in touched:
            # Steps that end up small by themselves are left alone; those of these two rules do not.
            weight.lr = self.lr * min(1.0, 16 / max(len(usable), 1))
            weight.step(g)

    def replay(self, usable: dict[str, float], y: float) -> None:
        """Keep the event, if need be for the oldest, and learn from random ones again, as they look by now."""
        if self.replay_steps == 0:
            return
        values_max = max(128 * self.replay_size, 16_384)
        while sum(len(x) for x, _, _ in self.replay_buffer) + len(usable) > values_max:
            self.replay_buffer.popleft()
        self.replay_buffer.append((usable, y, self.n_events))
        for _ in range(self.replay_steps):
            u, held = self.random.uniform(), len(self.replay_buffer)
            # Age 0 is the newest event, and newer ones are drawn more often.
            x, old, time = self.replay_buffer[held - 1 - min(int(u * u * held), held - 1)]
            target = standardized_target(self.target, old)
            if abs(target) >= self.target.clip:
                # An outlier is learned once and no more.
                continue
            # What was forgotten since, or forgotten and learned anew, is left out.
            known = {k: v for k, v in x.items() if self.vocabulary.born_of.get(k, math.inf) <= time}
            self.step(known, target)


@dataclass
class Row:
    """Bias and factors of one user or item."""

    bias: Coordinate
    factors: list[Coordinate]


class Factors:
    """MatrixFactorization as a whole."""

    def __init__(
        self,
        rule: str,
        hyper: tuple[float, ...],
        loss: str,
        loss_hyper: tuple[float, ...],
        *,
        n_factors: int = 10,
        l2_bias: float = 0.05,
        l2_factors: float = 0.05,
        init_scale: float = 0.1,
        forgetting: float = 0.0002,
        users_max: int = 25_000,
        items_max: int = 25_000,
        when_full: str = "evict",
        seed: int = 1,
    ) -> None:
        self.new_coordinate: Callable[[float], Coordinate] = lambda w: COORDINATES[rule](*hyper, w=w)
        self.loss = LOSSES[loss](*loss_hyper)
        self.n_factors = n_factors
        self.l2_bias, self.l2_factors = l2_bias, l2_factors
        self.init_scale = init_scale
        self.seed = seed
        self.target = Scaler(10.0, forgetting)
        self.vocabularies = (Vocabulary(users_max, when_full), Vocabulary(items_max, when_full))
        self.rows: tuple[dict[str, Row], dict[str, Row]] = ({}, {})
        self.y_min = self.y_max = 0.0
        # What is known of ids of which nothing is known: how they began.
        self.cold = (self.new_coordinate(0.0), self.new_coordinate(0.0))
        self.n_events = 0
        self.n_skipped_targets = 0

    def blank_row(self, side: int) -> Row:
        return Row(self.cold[side], [self.new_coordinate(0.0) for _ in range(self.n_factors)])

    def new_row(self, key: str, side: int) -> Row:
        generator = SplitMix64(siphash24(key.encode()) ^ (2 * self.seed + side))
        factors = [self.new_coordinate(self.init_scale * generator.normal()) for _ in range(self.n_factors)]
        return Row(self.new_coordinate(self.cold[side].w), factors)

    def score(self, user: Row, item: Row) -> float:
        products = (p.w * q.w for p, q in zip(user.factors, item.factors, strict=True))
        return user.bias.w + item.bias.w + sum(products)

    def predict_one(self, user: str | int, item: str | int) -> float:
        p = self.rows[0].get(str(user), self.blank_row(0))
        q = self.rows[1].get(str(item), self.blank_row(1))
        return min(max(in_units(self.target, self.score(p, q)), self.y_min), self.y_max)

    def row_to_learn(self, key: str, side: int) -> tuple[Row, bool, bool]:
        """The row, whether it is its own, and whether it is new or stands for all that have none."""
        new = key not in self.rows[side]
        row, gone = self.vocabularies[side].learn(key, self.n_events)
        if gone is not None:
            del self.rows[side][gone]
        if row == 0:
            return self.blank_row(side), False, True
        if new:
            self.rows[side][key] = self.new_row(key, side)
        return self.rows[side][key], True, new

    def learn_one(self, user: str | int, item: str | int, y: float) -> None:
        if not is_usable(y):
            self.n_skipped_targets += 1
            return
        p, p_learns, p_begins = self.row_to_learn(str(user), 0)
        q, q_learns, q_begins = self.row_to_learn(str(item), 1)
        target, score = standardized_target(self.target, y), bounded(self.score(p, q))
        slope = self.loss.slope(target, score)
        self.loss.observe(target, score)
        p_old, q_old = [c.w for c in p.factors], [c.w for c in q.factors]
        colds = [cold.w for cold in self.cold]
        for row, other, learns, cold in ((p, q_old, p_learns, colds[0]), (q, p_old, q_learns, colds[1])):
            if learns:
                row.bias.step(bounded(slope + self.l2_bias * (row.bias.w - cold)))
                for factor, opposite in zip(row.factors, other, strict=True):
                    factor.step(bounded(slope * opposite + self.l2_factors * factor.w))
        for cold_bias, begins in zip(self.cold, (p_begins, q_begins), strict=True):
            if begins:
                cold_bias.step(slope)
        # Ratings of which neither id is known move the biases of unknown ids, and not the mean.
        if not (p_begins and q_begins) or self.target.n < 32:
            self.target.observe(y)
        self.y_min = min(self.y_min, y) if self.n_events else y
        self.y_max = max(self.y_max, y) if self.n_events else y
        self.n_events += 1

    def largest(self) -> float:
        """The greatest magnitude of any parameter."""
        rows = (row for side in self.rows for row in side.values())
        return max((abs(c.w) for row in rows for c in (row.bias, *row.factors)), default=0.0)
