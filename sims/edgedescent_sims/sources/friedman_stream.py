"""Generator of Friedman's first function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgedescent_sims.sources.batch import Column
from edgedescent_sims.sources.generator import Generator, Numbers, Sampler

N_FEATURES = 10


@dataclass(kw_only=True, eq=False)
class FriedmanStream(Generator):
    """Friedman's first function: of ten features x0, …, x9, uniform in [0, 1), the last five mean nothing.

    ::

        optimum = 10 sin(π x0 x1) + 20 (x2 - ½)² + 10 x3 + 5 x4

    References:
        Friedman (1991), "Multivariate adaptive regression splines", Annals of Statistics 19(1), section 4.3.

    Example:
        >>> batch = next(FriedmanStream(n_events=2, noise=0.0).batches())
        >>> list(batch.columns), (batch.y == batch.optimum).all()
        (['x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8', 'x9'], np.True_)
    """

    def sampler(self) -> Sampler:
        """Return a function that draws the next events."""
        rng = self.rng(1)

        def sample(times: Numbers) -> tuple[dict[str, Column], Numbers]:
            x = np.ascontiguousarray(rng.random((len(times), N_FEATURES)).T)
            optimum = 10.0 * np.sin(np.pi * x[0] * x[1]) + 20.0 * (x[2] - 0.5) ** 2 + 10.0 * x[3] + 5.0 * x[4]
            return {f"x{place}": x[place] for place in range(N_FEATURES)}, optimum

        return sample
