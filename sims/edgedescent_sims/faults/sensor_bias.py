"""Bias of a sensor: a constant that is added to its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault


@dataclass(kw_only=True, eq=False)
class SensorBias(ColumnFault):
    """A constant that is added to the values of a sensor.

    ::

        x' = x + size

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import SensorBias
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.arange(4.0)}, np.ones(4)))
        >>> [batch] = SensorBias(source, size=-10, after=2).batches()
        >>> batch.columns["x"]
        array([ 0.,  1., -8., -7.])

    Raises:
        ValueError: If the size is 0.
    """

    size: Annotated[float, Meta(description="What is added, in the unit of the column; not 0")]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size == 0:
            raise ValueError("The `size` of SensorBias must not be 0: it would change nothing.")

    def alteration(self, column: str) -> Alteration:  # noqa: ARG002 - no draws
        """Return the function that adds the bias."""

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            return np.where(touched, values + self.size, values) if touched.any() else values

        return alter
