"""The loops over the covariance of recursive least squares: as written, with the same bits with and without AVX2."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from support.kernels import address, compiled, needs_compiler

pytestmark = needs_compiler

TEXT = """#include "edgedescent/optim/covariance_kernels.h"
void add_rows(double *gain, const double *rows, const double *z, ptrdiff_t n, ptrdiff_t stride, ptrdiff_t width) {
  covariance_add_rows(gain, rows, z, n, stride, width);
}
void settle(double *scaled, double *growths, const double *gain, double size, double growth, ptrdiff_t width) {
  covariance_settle(scaled, growths, gain, size, growth, width);
}
void change_rows(double *rows, const double *scaled, const double *growths, const double *factors, ptrdiff_t n,
                 ptrdiff_t stride, ptrdiff_t width) {
  covariance_change_rows(rows, scaled, growths, factors, n, stride, width);
}
"""


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    return compiled(tmp_path_factory.mktemp("kernels"), TEXT)


def sizes(*values: int) -> list[ctypes.c_ssize_t]:
    """Sizes as the kernels take them."""
    return [ctypes.c_ssize_t(value) for value in values]


def event(
    library: ctypes.CDLL, matrix: Any, z: Any, size: float, growth: float, width: int
) -> tuple[Any, Any, Any, Any]:
    """Gain, scaled gain, growths and changed rows of an event that touches all rows of a matrix."""
    n, stride = matrix.shape
    gain, scaled, growths, rows = np.zeros(stride), np.zeros(stride), np.zeros(stride), matrix.copy()
    library.add_rows(address(gain), address(rows), address(z), *sizes(n, stride, width))
    numbers = [ctypes.c_double(size), ctypes.c_double(growth)]
    library.settle(address(scaled), address(growths), address(gain), *numbers, *sizes(width))
    library.change_rows(address(rows), address(scaled), address(growths), address(scaled), *sizes(n, stride, width))
    return gain, scaled, growths, rows


@pytest.mark.parametrize("n", [1, 2, 4, 5, 8, 11, 12, 13, 16, 20, 31, 33, 100])
def test_an_event_is_that_of_the_formulas_in_every_version(versions: list[ctypes.CDLL], n: int) -> None:
    rng = np.random.default_rng(n)
    width = (n + 3) // 4 * 4
    stride = width + 4
    matrix = np.zeros((n, stride))
    half = rng.normal(size=(n, n)) * 10.0 ** rng.integers(-6, 6, n)[:, None]
    matrix[:, :n] = half @ half.T
    matrix[:, :n] = (matrix[:, :n] + matrix[:, :n].T) / 2.0
    z, size, growth = rng.normal(size=n), 0.37, 1.0 / 0.999
    expected = np.zeros(stride)
    for i in range(n):
        expected += z[i] * matrix[i]
    for library in versions:
        gain, scaled, growths, rows = event(library, matrix, z, size, growth, width)
        assert gain.tobytes() == expected.tobytes()
        assert scaled.tobytes() == (size * expected).tobytes()
        assert (growths[:width] == growth).all()
        assert (growths[width:] == 0.0).all()
        changed = (matrix - scaled[:n, None] * scaled[None, :]) * growths[None, :]
        assert np.array_equal(rows, changed)
        # Symmetric to the last bit, and still 0 behind the last column.
        assert np.array_equal(rows[:, :n], rows[:, :n].T)
        assert (rows[:, n:] == 0.0).all()
