"""Spikes: single values far from the true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault
from edgedescent_sims.faults.running import RunningMoments, SizeUnit


@dataclass(kw_only=True, eq=False)
class Spikes(ColumnFault):
    """Single values that lie far above or below the true ones, with equal probability.

    ::

        x' = x ± size s

    s is 1 for the unit ``absolute``. For ``std`` it is the standard deviation of the column's values before this one;
    where that is 0, as at the start of the stream, |x|, or 1 for x = 0.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import Spikes
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.arange(8.0)}, np.ones(8)))
        >>> [batch] = Spikes(source, rate=0.3, size=100, unit="absolute").batches()
        >>> batch.columns["x"]
        array([  0.,   1.,   2.,   3., -96., 105.,   6.,   7.])
    """

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the values that are spikes")]
    size: Annotated[float, Meta(gt=0, description="Height of a spike")] = 10.0
    unit: SizeUnit = "std"

    def alteration(self, column: str) -> Alteration:
        """Return the function that adds spikes to one column."""
        draws = self.draws(column)
        moments = RunningMoments()

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            scale = np.ones(len(values))
            if self.unit == "std":
                _, deviation = moments.before(values)
                scale = np.where(deviation > 0, deviation, np.where(values == 0, 1.0, np.abs(values)))
            draw = np.ones(len(values))
            draw[touched] = draws.random(np.count_nonzero(touched))
            hit = draw < self.rate
            # The same draw decides of the sign: of those that hit, half lie in the lower half.
            height = np.where(draw < self.rate / 2, -self.size, self.size)
            return np.where(hit, values + height * scale, values) if hit.any() else values

        return alter
