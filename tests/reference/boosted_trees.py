"""Reference implementation of the boosted trees that correct a mixture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgedescent.losses import Loss, QuantileLoss, SquaredLoss
from reference.numerics import SplitMix64

Vector = NDArray[np.float64]
SLOTS, WIDTH, BINS, NEVER = 64, 66, 16, np.float32(1e30)


class Tree:
    """Complete tree of depth 4, with the nodes of a level after those of the level above."""

    def __init__(self, slots: NDArray[np.int64], thresholds: NDArray[np.float32], values: Vector) -> None:
        self.slots, self.thresholds, self.values = slots, thresholds, values

    def leaf(self, row: NDArray[np.float32]) -> int:
        node = 0
        for _ in range(4):
            node = 2 * node + 1 + int(row[self.slots[node]] > self.thresholds[node])
        return node - 15


class BoostedTrees:
    """Trees on the residuals of a mixture; `rows` of inputs and `targets` are those of all events."""

    def __init__(self, n_trees_max: int, seed: int, loss: Loss) -> None:
        self.loss = loss
        self.n_trees_max, self.random = n_trees_max, SplitMix64(seed)
        self.trees: list[Tree] = []
        self.rows: list[NDArray[np.float32]] = []
        self.targets: list[float] = []
        self.n_fitted = 0
        self.error = 0.0

    def row(
        self, z: Vector, base: float, mean: float, deviation: float, change: float, mixed: float
    ) -> NDArray[np.float32]:
        of_mixture = np.clip([(mixed - base) / change, (mixed - mean) / deviation], -10, 10)
        return np.concatenate([z, np.zeros(SLOTS - len(z)), of_mixture]).astype(np.float32)

    def output(self, row: NDArray[np.float32]) -> float:
        return float(sum(tree.values[tree.leaf(row)] for tree in self.trees))

    def bounded(self, residual: Vector, bound: float) -> Vector:
        """Residuals as they are fitted."""
        if isinstance(self.loss, SquaredLoss):
            return residual.clip(-20 * bound, 20 * bound)
        q = self.loss.q if isinstance(self.loss, QuantileLoss) else 0.5
        return np.where(residual > 0, 2 * q, 2 * (1 - q)) * residual.clip(-bound, bound)

    def learn(self, row: NDArray[np.float32], target: float) -> None:
        residual = target - self.output(row)
        self.rows.append(row)
        self.targets.append(target)
        n = len(self.rows)
        self.error += max(1 / n, 0.002) * (abs(residual) - self.error)
        for tree in self.trees:
            tree.values[tree.leaf(row)] += 0.1 / len(self.trees) * self.bounded(np.array(residual), self.error)
        if n % 100 == 0:
            self.fit(np.array(self.rows[-2000:]), np.array(self.targets[-2000:]))

    def fit(self, rows: NDArray[np.float32], targets: Vector) -> None:
        place = self.n_fitted % self.n_trees_max
        kept = [tree for i, tree in enumerate(self.trees) if i != place]
        residuals = targets - [sum(tree.values[tree.leaf(row)] for tree in kept) for row in rows]
        bound = 0.5 * np.abs(residuals).mean()
        residuals = self.bounded(residuals, bound)
        sampled = rows[np.arange(min(len(rows), 128)) * len(rows) // min(len(rows), 128)]
        tree = grown(rows, residuals, self.chosen(sampled))
        self.trees[place : place + 1] = [tree]
        self.n_fitted += 1

    def chosen(self, sampled: NDArray[np.float32]) -> list[tuple[int, NDArray[np.float32]]]:
        """Inputs with the edges of their bins: those of the mixture, then random ones, if they vary in the sample."""
        left, found = list(range(WIDTH - 1, -1, -1)), []
        for i in range(WIDTH):
            at = 0 if i < 2 else self.random.below(len(left))
            # Drawn as by Fisher and Yates: the first one takes the place of what was drawn.
            slot, left[at] = left[at], left[0]
            left = left[1:]
            if len(edges := bin_edges(sampled[:, slot])):
                found.append((slot, edges))
            if len(found) == 10:
                break
        return found


def bin_edges(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Edges midway between a quantile and the next larger value, the first one after the least value."""
    levels = np.unique(values)
    quantiles = np.sort(values)[np.arange(BINS - 1) * len(values) // (BINS - 1)]
    at = np.unique(np.searchsorted(levels, quantiles))
    at = at[at + 1 < len(levels)]
    return np.float32(0.5) * (levels[at] + levels[at + 1])


def grown(rows: NDArray[np.float32], residuals: Vector, chosen: list[tuple[int, NDArray[np.float32]]]) -> Tree:
    """The tree whose nodes have the splits of the largest gain."""
    slots, thresholds = np.zeros(15, dtype=np.int64), np.full(15, NEVER)
    nodes = np.zeros(len(rows), dtype=np.int64)
    for node in range(15):
        inside = nodes == node
        best = 1e-9
        for slot, edges in chosen:
            for edge in edges:
                right = rows[inside, slot] > edge
                if min(right.sum(), (~right).sum()) < 30:
                    continue
                parts = [residuals[inside][right], residuals[inside][~right]]
                gain = sum(part.sum() ** 2 / (1 + len(part)) for part in parts)
                gain -= residuals[inside].sum() ** 2 / (1 + inside.sum())
                if gain > best + 1e-12:
                    best, slots[node], thresholds[node] = gain, slot, edge
        nodes[inside] = 2 * node + 1 + (rows[inside, slots[node]] > thresholds[node])
    leaves = [residuals[nodes == leaf] for leaf in range(15, 31)]
    return Tree(slots, thresholds, np.array([0.3 * leaf.sum() / (1 + len(leaf)) for leaf in leaves]))
