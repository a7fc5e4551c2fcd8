"""The loops over vectors of weights: as NumPy says, and the same bits with and without AVX2."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.kernels import call, compiled_header, needs_compiler, sum_of

SIZES = (1, 3, 7, 8, 9, 16, 33, 64, 130)
F = np.float32

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    return compiled_header(tmp_path_factory.mktemp("kernels"), "edgedescent/numerics/vector_kernels.h")


def numbers(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape).astype(F)


def dot(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    a, b = numbers(rng, n), numbers(rng, n)
    assert call("f32_dot", a, b, n) == sum_of(a * b)


def dot_in_double(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    """Each number is in single precision, the sum is not: four partial sums, then the rest."""
    a, b = numbers(rng, n), rng.normal(size=n)
    products, lanes, rest = a * b, np.zeros(4), 0.0
    whole = n - n % 4
    for block in products[:whole].reshape(-1, 4):
        lanes = lanes + block
    for product in products[whole:]:
        rest += product
    assert call("f64_dot", a, b, n) == ((lanes[0] + lanes[2]) + (lanes[1] + lanes[3])) + rest


def first_below(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    values = numbers(rng, n)
    values[n // 2] = F(np.nan)
    for limit in (-9.0, -1.5, 0.0, 9.0):
        for start in (0, n // 3, n):
            below = np.flatnonzero(values[start:] < F(limit))
            assert call("f32_first_below", values, limit, start, n) == (start + below[0] if len(below) else n)


def distances(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    """Of n points with five coordinates, which lie in columns that are longer."""
    columns, query, found = numbers(rng, 5, n + 3), numbers(rng, 5), numbers(rng, n)
    expected = np.zeros(n, dtype=F)
    for column, q in zip(columns, query, strict=True):
        expected = expected + (column[:n] - q) ** 2
    call("f32_distances", found, columns, query, n, n + 3, 5)
    assert found.tobytes() == expected.tobytes()


def layer(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    sums, weights, inputs = numbers(rng, n), numbers(rng, 70, n), np.maximum(numbers(rng, 70), F(0))
    expected = sums.copy()
    for x, row in zip(inputs, weights, strict=True):
        expected = expected + x * row
    call("f32_layer", sums, weights, inputs, 70, n)
    assert sums.tobytes() == expected.tobytes()


def add_outer(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    gradient, inputs, delta = numbers(rng, 70, n), numbers(rng, 70), numbers(rng, n)
    inputs[::3] = F(0)
    expected = gradient + np.outer(inputs, delta)
    call("f32_add_outer", gradient, inputs, delta, 70, n)
    assert gradient.tobytes() == expected.tobytes()


def back(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    before, weights, inputs, delta = numbers(rng, 70), numbers(rng, 70, n), numbers(rng, 70), numbers(rng, n)
    call("f32_back", before, weights, inputs, delta, 70, n)
    expected = [sum_of(row * delta) if x > 0 else 0.0 for x, row in zip(inputs, weights, strict=True)]
    assert before.tolist() == expected


def finish_gradient(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    gradient, weights = numbers(rng, n), numbers(rng, n)
    expected = np.clip(F(0.25) * gradient + F(0.1) * weights, F(-0.3), F(0.3))
    squares = call("f32_finish_gradient", gradient, weights, 0.25, 0.1, 0.3, n)
    assert gradient.tobytes() == expected.tobytes()
    assert squares == sum_of(expected * expected)


def average(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    kept, weights = numbers(rng, n), numbers(rng, n)
    expected = kept + F(0.06) * (weights - kept)
    call("f32_average", kept, weights, 0.06, n)
    assert kept.tobytes() == expected.tobytes()


def adam(call: Callable[..., float], rng: np.random.Generator, n: int) -> None:
    weights, mean, square, gradient = numbers(rng, n), numbers(rng, n), numbers(rng, n) ** 2, numbers(rng, n)
    # One average that is next to 0, and a weight at its bound.
    mean[0], gradient[0], weights[-1] = F(1e-35), F(0), F(3)
    g = F(0.5) * gradient
    m = mean + F(0.1) * (g - mean)
    m = np.where(np.abs(m) > F(1e-30), m, F(0))
    v = square + F(0.001) * (g * g - square)
    w = np.clip(weights - F(0.01) * m / (np.sqrt(v * F(1.5)) + F(1e-8)), F(-2), F(2))
    largest = call("f32_adam", weights, mean, square, gradient, 0.5, 0.01, 1.5, 0.1, 0.001, 1e-8, 2.0, n)
    assert largest == np.abs(w).max()
    for got, expected in ((weights, w), (mean, m), (square, v)):
        assert got.tobytes() == expected.astype(F).tobytes()


@pytest.mark.parametrize(
    "kernel",
    [dot, dot_in_double, first_below, layer, add_outer, back, finish_gradient, average, adam, distances],
)
def test_every_version_gives_the_bits_of_numpy(versions: list[ctypes.CDLL], kernel: Any) -> None:
    for library in versions:
        for n in SIZES:
            kernel(lambda *arguments, library=library: call(library, *arguments), np.random.default_rng(n), n)
