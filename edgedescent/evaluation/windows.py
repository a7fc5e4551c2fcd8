"""Means over windows of events."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def window_means(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Means of all full windows of consecutive values.

    ::

        m[j] = (v[j] + ... + v[j + window - 1]) / window        j = 0 ... n - window

    Each window's sum is the sum of the end of one block of `window` values and the start of the next. So it adds only
    values of its own: differences of one running sum would lose a small error that follows a huge one.

    Args:
        values: Values, shape (n,).
        window: Number of values in a window.

    Returns:
        Means, shape (n - window + 1,).

    Raises:
        ValueError: If there are fewer values than the window holds.

    References:
        van Herk (1992), "A fast algorithm for local minimum and maximum filters on rectangular and octagonal kernels",
        Pattern Recognition Letters 13(7): the same decomposition.

    Example:
        >>> window_means([1.0, 3.0, 5.0, 1.0], 2).tolist()
        [2.0, 4.0, 3.0]
    """
    values = np.asarray(values, dtype=np.float64)
    n = len(values)
    if not 1 <= window <= n:
        raise ValueError(f"A window must hold between 1 event and all {n}. Got {window}.")
    n_blocks = -(-n // window)
    blocks = np.zeros((n_blocks, window))
    blocks.ravel()[:n] = values
    starts = np.cumsum(blocks, axis=1).ravel()
    ends = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1].ravel()
    sums = ends[: n - window + 1].copy()
    # A window that is a block is its own end; of the others, window - 1 - k values lie in the next block.
    first = np.arange(n - window + 1)
    split = first % window > 0
    sums[split] += starts[first[split] + window - 1]
    return sums / window
