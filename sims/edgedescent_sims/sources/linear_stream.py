"""Generator of a linear function of normal features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta

from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler


@dataclass(kw_only=True, eq=False)
class LinearStream(Generator):
    """A linear function of independent normal features x0, x1, ….

    ::

        x_j = offset + scale · N(0, 1)
        optimum = bias + Σ_j w_j x_j

    The weights are standard normal unless they are given.

    Raises:
        ValueError: If the number of weights is not that of the features.

    Example:
        >>> batch = next(LinearStream(weights=(2.0, -1.0), bias=3.0, n_events=1).batches())
        >>> x0, x1 = batch.columns.values()
        >>> (batch.optimum == 3.0 + 2.0 * x0 - x1).all()
        np.True_
    """

    n_features: Annotated[
        int | None, Meta(ge=1, description="Number of features; that of the weights, or 10, if None")
    ] = None
    weights: Annotated[tuple[float, ...], Meta(description="Weights of the features; drawn if there are none")] = ()
    bias: Annotated[float, Meta(description="Value where all features are 0")] = 0.0
    scale: Annotated[float, Meta(gt=0.0, description="Standard deviation of the features")] = 1.0
    offset: Annotated[float, Meta(description="Mean of the features")] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights and self.n_features not in (None, len(self.weights)):
            raise ValueError(
                f"The `weights` of LinearStream must be {self.n_features} numbers, one for each feature. "
                f"Got {len(self.weights)}."
            )

    def true_weights(self) -> Numbers:
        """Return the weight of each feature."""
        if self.weights:
            return np.array(self.weights, dtype=np.float64)
        return self.rng(1).standard_normal(self.n_features or 10)

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        weights, rng = self.true_weights(), self.rng(2)

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            features = self.offset + self.scale * rng.standard_normal((len(times), len(weights)))
            columns: dict[str, Column] = {}
            optimum = np.full(len(times), self.bias)
            for place, weight in enumerate(weights.tolist()):
                columns[f"x{place}"] = column = np.ascontiguousarray(features[:, place])
                optimum += weight * column
            return columns, optimum

        return sample
