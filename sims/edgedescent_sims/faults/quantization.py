"""Quantization: values rounded to a coarse step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.faults.column_fault import Alteration, ColumnFault


@dataclass(kw_only=True, eq=False)
class Quantization(ColumnFault):
    """Values rounded to multiples of a step, as by a converter of few bits; halves to the even multiple.

    ::

        x' = step round(x / step)

    Example:
        >>> import numpy as np
        >>> from edgedescent_sims.faults import Quantization
        >>> from edgedescent_sims.sources.batch import Batch
        >>> from edgedescent_sims.sources.in_memory import InMemorySource
        >>> source = InMemorySource(Batch.of({"x": np.array([0.2, 0.3, 1.1, -0.8])}, np.ones(4)))
        >>> [batch] = Quantization(source, step=0.5).batches()
        >>> batch.columns["x"]
        array([ 0. ,  0.5,  1. , -1. ])
    """

    step: Annotated[float, Meta(gt=0, description="Distance of two values, in the unit of the column")]

    def alteration(self, column: str) -> Alteration:  # noqa: ARG002 - no draws
        """Return the function that rounds."""

        def alter(values: NDArray[Any], touched: NDArray[np.bool_]) -> NDArray[Any]:
            return np.where(touched, self.step * np.round(values / self.step), values) if touched.any() else values

        return alter
