"""Missing values, at random or in bursts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault
from edgedescent_sims.faults.episodes import Episodes


@dataclass(kw_only=True, eq=False)
class MissingValues(ColumnFault):
    """Values that are missing from their events, at random or in bursts; of numbers and of texts.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import MissingValues
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.arange(8.0)}, np.ones(8)))
        >>> [batch] = MissingValues(source, rate=0.5, after=2).batches()
        >>> batch.columns["x"]
        array([ 0.,  1.,  2.,  3.,  4., nan,  6., nan])
    """

    takes_texts: ClassVar[bool] = True

    rate: Annotated[float, Meta(gt=0, le=1, description="Share of the values that are missing")]
    burst_length: Annotated[float, Meta(ge=1, description="Mean length of a burst, in events; 1 for single values")] = (
        1.0
    )

    def alteration(self, column: str) -> Alteration:
        """Return the function that removes values of one column."""
        episodes = Episodes(self.rate, self.burst_length, self.draws(column))

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            hit = np.flatnonzero(touched)[episodes.next(int(np.count_nonzero(touched)))]
            if not len(hit):
                return values
            after = values.copy()
            after[hit] = None if after.dtype == object else np.nan
            return after

        return alter
