"""The loop that updates running means and variances: the same bits with and without AVX2."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from support.kernels import address, compiled, needs_compiler

ARRAYS = 10
RATE_MIN, CLIP, START, BLOCK, FAR_SQUARED = 0.0002, 5.0, 31.0, 16.0, 25.0

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    arrays = [f"double *a{i}" for i in range(ARRAYS)]
    passed = ", ".join(name.split("*")[1] for name in arrays)
    return compiled(
        tmp_path_factory.mktemp("kernels"),
        '#include "edgedescent/features/scaler_kernels.h"\n'
        f"int update(const double *x, {', '.join(arrays)}, int watches, ptrdiff_t n) "
        f"{{ return scaler_update(x, {passed}, {RATE_MIN}, {CLIP}, {START}, {BLOCK}, {FAR_SQUARED}, watches, n); }}\n",
    )


def run(library: ctypes.CDLL, values: Any, *, watches: bool) -> tuple[list[int], bytes]:
    """Results of the updates with each row of values, and the bits of the statistics behind them."""
    n = values.shape[1]
    statistics = np.zeros((ARRAYS, n))
    told = []
    for x in values:
        pointers = [address(one) for one in statistics]
        told.append(library.update(address(x), *pointers, ctypes.c_int(watches), ctypes.c_ssize_t(n)))
        full = statistics[5] >= BLOCK
        statistics[5:, full] = 0.0
    return told, statistics.tobytes()


@pytest.mark.parametrize("watches", [True, False])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 10, 33])
def test_versions_have_the_same_bits(versions: list[ctypes.CDLL], n: int, watches: bool) -> None:
    rng = np.random.default_rng(n)
    values = rng.normal(size=(200, n)) * 10.0 ** rng.integers(-6, 6, n)
    # Constants, spikes, and values whose variance is too small to be kept.
    values[:, 0] = 7.0
    values[rng.random(values.shape) < 0.01] *= 1e4
    values[50:120, -1] = 1e-40
    baseline, *others = (run(library, values, watches=watches) for library in versions)
    assert len(set(baseline[0])) > 1
    assert all(other == baseline for other in others)
