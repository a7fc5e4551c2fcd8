"""Mean and standard deviation of all values before each one."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

SizeUnit = Annotated[
    Literal["std", "absolute"],
    Meta(description="Unit of the size: standard deviations of the column so far, or the column's own unit"),
]
"""Parameter of the faults whose size can be relative to the column."""


class RunningMoments:
    """Mean and standard deviation of the values before each one, missing values left out.

    Sums are taken one value after the other, of the differences to the first value, so that the results are the same
    to the last bit however the values are cut into batches.

    Example:
        >>> import numpy as np
        >>> mean, deviation = RunningMoments().before(np.array([3.0, 5.0, np.nan, 7.0]))
        >>> mean
        array([nan,  3.,  4.,  4.])
        >>> deviation
        array([0., 0., 1., 1.])
    """

    def __init__(self) -> None:
        self._n = 0
        self._first = np.nan
        self._sum = self._sum_of_squares = 0.0

    def before(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean, NaN where there is no value yet, and population standard deviation, 0 there, before each value."""
        known = ~np.isnan(values)
        if self._n == 0:
            if not known.any():
                return np.full(len(values), np.nan), np.zeros(len(values))
            self._first = float(values[np.argmax(known)])
        difference = np.where(known, values - self._first, 0.0)
        n = np.concatenate(([self._n], known)).cumsum()
        # A cumulative sum adds strictly in order; `sum` would add in pairs.
        sums = np.concatenate(([self._sum], difference)).cumsum()
        squares = np.concatenate(([self._sum_of_squares], difference**2)).cumsum()
        self._n, self._sum, self._sum_of_squares = int(n[-1]), float(sums[-1]), float(squares[-1])
        at_least_one = np.maximum(n[:-1], 1)
        mean = sums[:-1] / at_least_one
        deviation = np.sqrt(np.maximum(squares[:-1] / at_least_one - mean**2, 0.0))
        return np.where(n[:-1] > 0, mean + self._first, np.nan), deviation
