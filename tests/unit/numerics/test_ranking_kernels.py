"""The loops that score all items: as NumPy says, and the same bits with and without AVX2."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from support.kernels import address, compiled, needs_compiler

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    return compiled(
        tmp_path_factory.mktemp("kernels"),
        '#include "edgedescent/numerics/ranking_kernels.h"\n'
        "void score(double *s, const double *u, const double *i, ptrdiff_t k, ptrdiff_t n) "
        "{ f64_score_rows(s, u, i, k, n); }\n"
        "void logs(float *s, const float *c, float scale, float floor, float weight, ptrdiff_t n) "
        "{ f32_add_logs(s, c, scale, floor, weight, n); }\n"
        "void log_rows(float *t, float *s, const int *r, const float *scales, const float *weights, ptrdiff_t n) "
        "{ f32_log_rows(t, s, r, scales, weights, n); }\n"
        "void products(float *s, const float *u, const float *i, const float *b, float weight, ptrdiff_t k, "
        "ptrdiff_t n) { f32_add_products(s, u, i, b, weight, k, n); }\n",
    )


def dot(a: Any, b: Any) -> float:
    """Sum in the documented order: four partial sums, to the first of which the rest is added."""
    sums = [0.0] * 4
    whole = len(a) - len(a) % 4
    for i in range(whole):
        sums[i % 4] += a[i] * b[i]
    for i in range(whole, len(a)):
        sums[0] += a[i] * b[i]
    return (sums[0] + sums[1]) + (sums[2] + sums[3])


@pytest.mark.parametrize("n_factors", [1, 3, 4, 5, 8, 10, 32])
@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_scores_have_the_bits_of_the_documented_order(versions: list[ctypes.CDLL], n_factors: int, n: int) -> None:
    rng = np.random.default_rng(n_factors)
    user, items = rng.normal(size=n_factors + 1), rng.normal(size=(n, n_factors + 1))
    expected = [user[0] + row[0] + dot(user[1:], row[1:]) for row in items]
    for library in versions:
        scores = np.zeros(n)
        sizes = ctypes.c_ssize_t(n_factors), ctypes.c_ssize_t(n)
        library.score(address(scores), address(user), address(items), *sizes)
        assert scores.tolist() == expected


def test_logarithms_are_accurate_and_the_same_everywhere(versions: list[ctypes.CDLL]) -> None:
    counts = np.concatenate([[0.0], np.logspace(-30, 8, 5003)]).astype(np.float32)
    found = []
    for library in versions:
        sums = np.zeros(len(counts), dtype=np.float32)
        scale, floor, weight = (ctypes.c_float(value) for value in (0.7, 0.05, 1.0))
        library.logs(address(sums), address(counts), scale, floor, weight, ctypes.c_ssize_t(len(counts)))
        found.append(sums)
        exact = np.log(np.float32(0.7) * counts.astype(np.float64) + np.float32(0.05))
        assert np.abs(sums - exact).max() < 2e-6
    assert all(np.array_equal(found[0], other) for other in found)


def test_logarithms_of_rows_and_their_sums_are_the_same_everywhere(versions: list[ctypes.CDLL]) -> None:
    rng = np.random.default_rng(3)
    table = np.where(rng.random((20, 8)) < 0.5, 0.0, rng.exponential(size=(20, 8))).astype(np.float32)
    scales, weights = (rng.random(8).astype(np.float32) for _ in range(2))
    rows = np.array([3, 7, 1, 19], dtype=np.int32)
    found = []
    for library in versions:
        logs, sums = table.copy(), np.zeros(20, dtype=np.float32)
        arrays = (address(array) for array in (logs, sums, rows, scales, weights))
        library.log_rows(*arrays, ctypes.c_ssize_t(len(rows)))
        expected = table.astype(np.float64)
        expected[rows] = np.log1p(scales.astype(np.float64) * expected[rows])
        assert np.abs(logs - expected).max() < 2e-6
        # What is 0 stays so, and rows that were not named stay as they were.
        assert np.array_equal(logs == 0.0, table == 0.0)
        assert sums[rows] == pytest.approx(expected[rows] @ weights.astype(np.float64), abs=1e-5)
        assert not np.delete(sums, rows).any()
        found.append((logs, sums))
    assert all(np.array_equal(found[0][part], other[part]) for other in found for part in (0, 1))


@pytest.mark.parametrize("width", [8, 16, 40])
@pytest.mark.parametrize("n", [1, 7, 8, 21])
def test_products_of_single_precision_have_the_bits_of_the_documented_order(
    versions: list[ctypes.CDLL], width: int, n: int
) -> None:
    rng = np.random.default_rng(width)
    user, items, biases, before = (rng.normal(size=shape).astype(np.float32) for shape in (width, (n, width), n, n))
    parts = np.zeros((n, 8), dtype=np.float32)
    for f in range(0, width, 8):
        parts += user[f : f + 8] * items[:, f : f + 8]
    # A tree: the halves are added, then the halves of these.
    quarters = parts[:, :4] + parts[:, 4:]
    eighths = quarters[:, :2] + quarters[:, 2:]
    expected = before + np.float32(0.5) * (biases + (eighths[:, 0] + eighths[:, 1]))
    for library in versions:
        sums = before.copy()
        arrays = (address(array) for array in (sums, user, items, biases))
        library.products(*arrays, ctypes.c_float(0.5), ctypes.c_ssize_t(width), ctypes.c_ssize_t(n))
        assert sums.tolist() == expected.tolist()
