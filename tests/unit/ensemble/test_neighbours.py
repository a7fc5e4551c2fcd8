"""Nearest neighbours among the latest events, against their reference."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.ensemble._inputs import InputBuffer
from edgedescent.ensemble._neighbours import Neighbours
from reference.ensemble import Vector, nearest

N_LAGS = 2
WIDTH = 6


def filled(z: Vector) -> InputBuffer:
    """All inputs below the width, and one beyond it that does not count."""
    buffer = InputBuffer(N_LAGS)
    buffer.set([*range(len(z)), 40], [*z, 1e6])
    return buffer


@pytest.mark.parametrize(("size", "k"), [(30, 3), (200, 8)])
def test_predictions_are_those_of_the_nearest(size: int, k: int) -> None:
    rng = np.random.default_rng(size)
    neighbours = Neighbours(size, k, WIDTH)
    events: list[tuple[Vector, float, float]] = []
    for n in range(150):
        z = rng.integers(-20, 20, WIDTH) / 8.0
        base, y = rng.normal(size=2)
        got = neighbours.predict_one(filled(z), base, 0.0, 1.0, 1.0)
        expected = nearest(events[-size:], z, k, base) if n > 10 else (base, base)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
        neighbours.learn_one(filled(z), base, 0.0, 1.0, 1.0, y)
        events.append((z, base, y))


def test_saved_events_are_found_again() -> None:
    rng = np.random.default_rng(1)
    one, other = Neighbours(20, 3, WIDTH), Neighbours(20, 3, WIDTH)
    for _ in range(33):
        one.learn_one(filled(rng.normal(size=WIDTH)), 0.0, 0.0, 1.0, 1.0, rng.normal())
    other.restore(one.save(0, 0), 0, 0)
    for _ in range(30):
        buffer = filled(rng.normal(size=WIDTH))
        got, again = (each.predict_one(buffer, 1.0, 0.0, 1.0, 1.0).tolist() for each in (one, other))
        assert got == again
        for each in (one, other):
            each.learn_one(buffer, 1.0, 0.0, 1.0, 1.0, 2.0)


@pytest.mark.parametrize("k", [0, 33])
def test_a_number_out_of_range_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1 to 32. Got {k}"):
        Neighbours(20, k, WIDTH)


def test_an_inconsistent_state_is_refused() -> None:
    neighbours = Neighbours(20, 3, WIDTH)
    with pytest.raises(ValueError, match="neighbours"):
        neighbours.restore({**neighbours.save(0, 0), "pushed": np.array([3])}, 0, 0)


def test_inputs_that_come_later_count_too() -> None:
    rng = np.random.default_rng(2)
    neighbours = Neighbours(200, 3, 24)
    events: list[tuple[Vector, float, float]] = []
    for n in range(80):
        z = np.zeros(24)
        seen = 4 + n // 4
        z[:seen] = rng.integers(-20, 20, seen) / 8.0
        buffer = InputBuffer(N_LAGS)
        buffer.set(np.arange(seen), z[:seen])
        y = float(rng.normal())
        if n == 60:
            state, neighbours = neighbours.save(0, 0), Neighbours(200, 3, 24)
            neighbours.restore(state, 0, 0)
        if n > 10:
            got = neighbours.predict_one(buffer, 1.0, 0.0, 1.0, 1.0)
            np.testing.assert_allclose(got, nearest(events, z, 3, 1.0), rtol=1e-5, atol=1e-6)
        neighbours.learn_one(buffer, 1.0, 0.0, 1.0, 1.0, y)
        events.append((z, 1.0, y))
