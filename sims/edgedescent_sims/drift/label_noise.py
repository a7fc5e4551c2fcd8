"""Label drift: noise of the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.drift import draws
from edgedescent_sims.drift.base import LABEL, OWN_DRAWS, Drift
from edgedescent_sims.drift.mixing import relabelled
from edgedescent_sims.sources.batch import Batch


@dataclass(kw_only=True, eq=False)
class LabelNoise(Drift):
    """Label drift that adds Gaussian noise to the label: the world becomes less predictable.

    ::

        y <- y + s std e        e from N(0, 1), one draw for each number of an event

    `target` gets the same noise, because it is the world that is noisy; the optimum stays, so that regret is what a
    learner loses beyond the noise. For labels that are only measured wrongly there are faults.

    Example:
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> stream = InMemorySource(Batch.of({"temp": np.full(2000, 20.0)}, np.ones(2000)))
        >>> (noisy,) = LabelNoise(stream, std=5.0, at=1000).batches()
        >>> float(noisy.y[:1000].std()), round(float(noisy.y[1000:].std()))
        (0.0, 5)
    """

    std: Annotated[float, Meta(ge=0, description="Standard deviation of the noise, in units of the label")]

    def touched(self) -> frozenset[str]:
        """The label."""
        return frozenset({LABEL})

    def check(self) -> None:
        """Find what is wrong with the parameters before a long run."""
        super().check()
        self.require_change(self.std != 0, "its `std` is 0")

    def apply(self, batch: Batch, share: NDArray[np.float64]) -> Batch:
        """Return the batch with noise in its labels."""
        noise = self.std * draws.normal(self.seed, OWN_DRAWS, batch.number)
        return relabelled(batch, share, lambda y: y + noise, keep_optimum=True)
