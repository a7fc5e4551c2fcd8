"""The loops over a batch of events: as NumPy says, and the same bits with and without AVX2."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.kernels import call, compiled_header, needs_compiler, sum_of

BATCH = 8
WIDTHS = (8, 16, 24, 32, 40, 72)
"""Lengths of the rows of inputs, which know no rest."""
UNITS = (1, 5, 7, 8, 16, 19, 32)
F = np.float32

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[ctypes.CDLL]:
    return compiled_header(tmp_path_factory.mktemp("kernels"), "edgedescent/numerics/batch_kernels.h")


Call = Callable[..., float]


def numbers(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape).astype(F)


def rectified(rng: np.random.Generator, *shape: int) -> Any:
    return np.maximum(numbers(rng, *shape), F(0))


def some_slots(rng: np.random.Generator, n: int) -> Any:
    return rng.permutation(2 * n)[:n].astype(np.int32)


def rounded_up(n: int, to: int) -> int:
    return (n + to - 1) // to * to


# --- Rows of inputs ---------------------------------------------------------------------------------------------------


def sum_rows(call: Call, rng: np.random.Generator, width: int) -> None:
    rows, slots, inputs, sums = numbers(rng, 22, width), some_slots(rng, 11), numbers(rng, 11), numbers(rng, width)
    expected = np.zeros(width, dtype=F)
    for slot, x in zip(slots, inputs, strict=True):
        expected = expected + x * rows[slot]
    call("f32_sum_rows", sums, rows, slots, inputs, 11, width)
    assert sums.tobytes() == expected.tobytes()


def add_rows_in_double(call: Call, rng: np.random.Generator, width: int) -> None:
    rows, slots, inputs, sums = (
        numbers(rng, 22, width),
        some_slots(rng, 11),
        rng.normal(size=11),
        rng.normal(size=width),
    )
    expected = sums.copy()
    for slot, x in zip(slots, inputs, strict=True):
        expected = expected + x * rows[slot].astype(np.float64)
    call("f64_add_rows", sums, rows, slots, inputs, 11, width)
    assert sums.tobytes() == expected.tobytes()


def add_to_rows(call: Call, rng: np.random.Generator, width: int) -> None:
    """Also where a slot comes twice."""
    rows, slots, inputs, delta = numbers(rng, 22, width), some_slots(rng, 11), numbers(rng, 11), numbers(rng, width)
    slots[4] = slots[2]
    expected = rows.copy()
    for slot, x in zip(slots, inputs, strict=True):
        expected[slot] = expected[slot] + x * delta
    call("f32_add_to_rows", rows, slots, inputs, delta, 11, width)
    assert rows.tobytes() == expected.tobytes()


def finish_rows(call: Call, rng: np.random.Generator, width: int) -> None:
    gradient, weights, slots = numbers(rng, 11, width), numbers(rng, 22, width), some_slots(rng, 11)
    penalized = rng.integers(0, 2, width).astype(F)
    expected = F(0.25) * gradient + F(0.1) * penalized * weights[slots]
    squares = call("f32_finish_rows", gradient, weights, slots, penalized, 0.25, 0.1, 11, width)
    assert gradient.tobytes() == expected.tobytes()
    assert squares == sum_of((expected * expected).ravel())


STEP = np.array([0.5, 0.01, 1.5, 0.1, 0.001, 1e-8, 2.0, 0.06], dtype=F)
"""An `adam_step`."""


def stepped(weights: Any, mean: Any, square: Any, average: Any, gradient: Any) -> tuple[Any, ...]:
    scale, rate, inverse_bias, rest1, rest2, eps, limit, average_rate = STEP
    g = scale * gradient
    m = mean + rest1 * (g - mean)
    m = np.where(np.abs(m) > F(1e-30), m, F(0))
    v = square + rest2 * (g * g - square)
    w = np.clip(weights - rate * m / (np.sqrt(v * inverse_bias) + eps), -limit, limit)
    return w, m, v, average + average_rate * (w - average)


def adam_rows(call: Call, rng: np.random.Generator, width: int) -> None:
    """On all columns but the last eight, and on one of these: rows of other slots stay."""
    tables, slots = [numbers(rng, 22, width + 8) for _ in range(4)], some_slots(rng, 11)
    gradient = numbers(rng, 11, width + 8)
    tables[2] **= 2
    # One average that is next to 0, and a weight at its bound.
    tables[1][slots[0], 0], gradient[0, 0], tables[0][slots[1], 1] = F(1e-35), F(0), F(3)
    expected = [table.copy() for table in tables]
    for columns in (slice(0, width), slice(width, width + 1)):
        parts = stepped(*(table[slots, columns] for table in tables), gradient[:, columns])
        for table, part in zip(expected, parts, strict=True):
            table[slots, columns] = part
    call("f32_adam_rows", *tables, gradient, slots, STEP, 11, width + 8, width)
    one = [table.reshape(-1)[width:] for table in (*tables, gradient)]
    call("f32_adam_column", *one, slots, STEP, 11, width + 8)
    for table, wanted in zip(tables, expected, strict=True):
        assert table.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("kernel", [sum_rows, add_rows_in_double, add_to_rows, finish_rows, adam_rows])
def test_every_version_of_a_loop_over_rows_gives_the_bits_of_numpy(versions: list[ctypes.CDLL], kernel: Any) -> None:
    for library in versions:
        for width in WIDTHS:
            kernel(lambda *arguments, library=library: call(library, *arguments), np.random.default_rng(width), width)


# --- Layers of units --------------------------------------------------------------------------------------------------


def to_units_and_back(call: Call, rng: np.random.Generator, n: int) -> None:
    width, room = rounded_up(n, 8) + 8, rounded_up(n, 4)
    by_event, by_unit = numbers(rng, BATCH, width), numbers(rng, room, BATCH)
    call("f32_rectify_to_units", by_unit, by_event, n, width)
    assert by_unit.tobytes() == np.maximum(by_event.T[:room], F(0)).tobytes()
    again = by_event.copy()
    call("f32_to_events", again, by_unit, n, width)
    assert again[:, :room].tobytes() == by_unit.T.tobytes()
    assert again[:, room:].tobytes() == by_event[:, room:].tobytes()


def layer_in_double(call: Call, rng: np.random.Generator, n: int) -> None:
    biases, weights, inputs, sums = numbers(rng, n), numbers(rng, 11, n), rng.normal(size=11), np.zeros(n)
    expected = biases.astype(np.float64)
    for x, row in zip(inputs, weights, strict=True):
        expected = expected + x * row.astype(np.float64)
    call("f64_layer", sums, biases, weights, inputs, 11, n)
    assert sums.tobytes() == expected.tobytes()


def layer(call: Call, rng: np.random.Generator, n: int) -> None:
    biases, weights, inputs, out = (
        numbers(rng, n),
        numbers(rng, 11, n),
        rectified(rng, 11, BATCH),
        numbers(rng, n, BATCH),
    )
    expected = np.repeat(biases[:, None], BATCH, axis=1)
    for x, row in zip(inputs, weights, strict=True):
        expected = expected + np.outer(row, x)
    call("f32_layer_units", out, biases, weights, inputs, 11, n)
    assert out.tobytes() == np.maximum(expected, F(0)).tobytes()


def dot(call: Call, rng: np.random.Generator, n: int) -> None:
    weights, units, out = numbers(rng, n), numbers(rng, n, BATCH), numbers(rng, BATCH)
    call("f32_dot_units", out, weights, units, n)
    assert out.tolist() == [sum_of(weights * units[:, b]) for b in range(BATCH)]


def back_output(call: Call, rng: np.random.Generator, n: int) -> None:
    slopes, weights, units, delta = (
        numbers(rng, BATCH),
        numbers(rng, n),
        rectified(rng, n, BATCH),
        numbers(rng, n, BATCH),
    )
    call("f32_back_output_units", delta, slopes, weights, units, n)
    assert delta.tobytes() == np.where(units > 0, np.outer(weights, slopes), F(0)).tobytes()


def back(call: Call, rng: np.random.Generator, n: int) -> None:
    weights, inputs = numbers(rng, 11, n), rectified(rng, 11, BATCH)
    delta, before = numbers(rng, n, BATCH), numbers(rng, 11, BATCH)
    call("f32_back_units", before, weights, inputs, delta, 11, n)
    expected = [
        [sum_of(row * delta[:, b]) if inputs[i, b] > 0 else 0.0 for b in range(BATCH)] for i, row in enumerate(weights)
    ]
    assert before.tolist() == expected


def outer(call: Call, rng: np.random.Generator, n: int) -> None:
    gradient, inputs, delta = numbers(rng, 11, n), rectified(rng, 11, BATCH), numbers(rng, BATCH, n + 3)
    expected = np.zeros((11, n), dtype=F)
    for b in range(BATCH):
        expected = expected + np.outer(inputs[:, b], delta[b, :n])
    call("f32_outer_units", gradient, inputs, delta, 11, n, n + 3)
    assert gradient.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kernel", [to_units_and_back, layer_in_double, layer, dot, back_output, back, outer])
def test_every_version_of_a_loop_over_units_gives_the_bits_of_numpy(versions: list[ctypes.CDLL], kernel: Any) -> None:
    for library in versions:
        for n in UNITS:
            kernel(lambda *arguments, library=library: call(library, *arguments), np.random.default_rng(n), n)
