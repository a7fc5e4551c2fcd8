"""Symmetric matrices that a state holds as their lower triangle, row by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]


def symmetric(triangle: Floats) -> Floats:
    """Return the matrix of a lower triangle."""
    n = (math.isqrt(8 * len(triangle) + 1) - 1) // 2
    matrix = np.zeros((n, n))
    matrix[np.tril_indices(n)] = triangle
    return matrix + np.tril(matrix, -1).T
