"""Noise of a sensor: normal draws that are added to its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault
from edgedescent_sims.faults.running import RunningMoments, SizeUnit


@dataclass(kw_only=True, eq=False)
class SensorNoise(ColumnFault):
    """White noise that is added to the values of a sensor.

    ::

        x' = x + size s e,  e ~ N(0, 1)

    s is 1 for the unit ``absolute``, and for ``std`` the standard deviation of the column's values before this one: a
    column that never changed stays as it is.

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import SensorNoise
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.zeros(10_000)}, np.ones(10_000)))
        >>> x = np.concatenate([b.columns["x"] for b in SensorNoise(source, size=3, unit="absolute").batches()])
        >>> round(float(x.std()), 1)
        3.0
    """

    size: Annotated[float, Meta(gt=0, description="Standard deviation of the noise")] = 1.0
    unit: SizeUnit = "std"

    def alteration(self, column: str) -> Alteration:
        """Return the function that adds noise to one column."""
        draws = self.draws(column)
        moments = RunningMoments()

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            scale = moments.before(values)[1][touched] if self.unit == "std" else 1.0
            if not touched.any():
                return values
            after = values.copy()
            after[touched] += self.size * scale * draws.standard_normal(np.count_nonzero(touched))
            return after

        return alter
