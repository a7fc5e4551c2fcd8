"""Stuck sensors: a column that repeats its last value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault
from edgedescent_sims.faults.episodes import Episodes


@dataclass(kw_only=True, eq=False)
class StuckSensor(ColumnFault):
    """A sensor that repeats the last value from before it got stuck, for the whole span or in episodes.

    ::

        x'_n = x_m,  m the last event before n at which the sensor was not stuck and had a value

    Where there is no such event, the first value of the span is repeated.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import StuckSensor
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.arange(8.0)}, np.ones(8)))
        >>> [batch] = StuckSensor(source, after=2, until=5).batches()
        >>> batch.columns["x"]
        array([0., 1., 1., 1., 1., 5., 6., 7.])
    """

    rate: Annotated[
        float, Meta(gt=0, le=1, description="Share of the events at which it is stuck; 1 for the whole span")
    ] = 1.0
    episode_length: Annotated[float, Meta(ge=1, description="Mean length of an episode, in events")] = 100.0

    def alteration(self, column: str) -> Alteration:
        """Return the function that repeats values of one column."""
        episodes = Episodes(self.rate, self.episode_length, self.draws(column))
        last = np.nan

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            nonlocal last
            stuck = touched.copy()
            stuck[touched] = episodes.next(int(np.count_nonzero(touched)))
            known = ~np.isnan(values)
            source = np.maximum.accumulate(np.where(known & ~stuck, np.arange(len(values)), -1))
            if np.isnan(last) and (orphans := known & (source < 0)).any():
                last = float(values[np.argmax(orphans)])
            repeated = np.where(source < 0, last, values[source])
            if len(values):
                last = float(repeated[-1])
            changes = stuck & known
            return np.where(changes, repeated, values) if changes.any() else values

        return alter
