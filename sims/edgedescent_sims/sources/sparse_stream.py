"""Generator of indicators that are seldom present."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler


@dataclass(kw_only=True, eq=False)
class SparseStream(Generator):
    """Indicators ``tag=0``, ``tag=1``, …, each present in a small share of the events, and then adding to the target.

    ::

        b_j ~ Bernoulli(share)
        optimum = effect · Σ_j b_j

    A present indicator is 1.0. An absent one is missing from its event, or 0.0: a one-hot encoding in both of its usual
    forms. In the first, a feature never has another value than 1, so standardization makes it 0.

    Example:
        >>> batch = next(SparseStream(n_indicators=2, share=0.5, noise=0.0, n_events=2, seed=4).batches())
        >>> list(batch.features()), batch.y.tolist()
        ([{'tag=1': 1.0}, {'tag=0': 1.0, 'tag=1': 1.0}], [10.0, 20.0])
    """

    noise: Annotated[float, Meta(ge=0.0, description="Standard deviation of the noise in the label")] = 0.1
    n_indicators: Annotated[int, Meta(ge=1, description="Number of indicators")] = 1
    share: Annotated[float, Meta(gt=0.0, lt=1.0, description="Share of the events in which each is present")] = 0.05
    effect: Annotated[float, Meta(description="What a present indicator adds to the target")] = 10.0
    absent: Annotated[Literal["missing", "zero"], Meta(description="Value of an absent indicator")] = "missing"

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        rng = self.rng(1)
        absent = np.nan if self.absent == "missing" else 0.0

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            present = np.ascontiguousarray(rng.random((len(times), self.n_indicators)).T) < self.share
            columns: dict[str, Column] = {
                f"tag={place}": np.where(row, 1.0, absent) for place, row in enumerate(present)
            }
            return columns, self.effect * present.sum(axis=0)

        return sample
