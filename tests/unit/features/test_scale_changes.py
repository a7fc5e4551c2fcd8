"""Changes of scale that the running standardization finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.features._scaler import Scaler
from reference.features import Scaler as Specified


def first_change(values: np.ndarray) -> tuple[int, int]:
    """Return which value completes a change, and of what kind it is; 0 for none."""
    scaler = Scaler(5.0, 0.0002, 1)
    for i, x in enumerate(values):
        scaler.observe(np.array([x]))
        if kind := scaler.change_of(0):
            return i, kind
    return len(values), 0


segments = st.lists(
    st.tuples(
        st.integers(1, 90),
        st.sampled_from([0.0, 1e-3, 0.1, 1.0, 30.0, 1e4]),
        st.sampled_from([0.0, 5.0, -400.0]),
    ),
    min_size=1,
    max_size=6,
)


@given(segments, st.booleans(), st.integers(0, 100))
def test_agrees_with_the_specification(parts: list[tuple[int, float, float]], follow: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    scaler, specified = Scaler(5.0, 0.0002, 1), Specified(5.0, 0.0002)
    for n, sd, mean in parts:
        for x in mean + sd * random.normal(size=n):
            scaler.observe(np.array([x]))
            specified.observe(x)
            assert scaler.change_of(0) == specified.change()
            if specified.change():
                scaler.settle(0, follow)
                specified.settle(follow)
            count, mean_, variance, *_ = (array[0] for array in scaler.save(1))
            assert count == specified.n
            assert mean_ == pytest.approx(specified.mean, rel=1e-6, abs=1e-9)
            assert variance == pytest.approx(specified.variance, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("factor", [10.0, 1000.0])
@pytest.mark.parametrize("mean", [0.0, 20.0])
@pytest.mark.parametrize("offset", range(0, 16, 5))
def test_a_larger_unit_is_found_within_64_values(factor: float, mean: float, offset: int) -> None:
    random = np.random.default_rng(offset)
    values = mean + random.normal(size=2100 + offset)
    values[2000 + offset :] *= factor
    at, kind = first_change(values)
    assert kind == 1
    assert at - (2000 + offset) < 64


@pytest.mark.parametrize("factor", [0.1, 0.001])
def test_a_smaller_unit_is_found_within_64_values(factor: float) -> None:
    values = np.random.default_rng(1).normal(size=2200)
    values[2000:] *= factor
    at, kind = first_change(values)
    assert kind == -1
    assert at - 2000 < 64


def test_the_statistics_are_those_of_the_new_unit_afterwards() -> None:
    random = np.random.default_rng(2)
    scaler = Scaler(5.0, 0.0002, 2)
    for x in 20.0 + 2.0 * random.normal(size=1000):
        scaler.observe(np.array([x, 7.0 * random.normal()]))
    other = [array[1].tobytes() for array in scaler.save(2)[:3]]
    for x in 293.0 + 2.0 * random.normal(size=60):
        scaler.observe(np.array([x]))
        scaler.settle(0, True)
    _, mean, variance, *_ = (array[0] for array in scaler.save(2))
    assert mean == pytest.approx(293.0, abs=2.0)
    assert 1.0 < variance < 12.0
    assert [array[1].tobytes() for array in scaler.save(2)[:3]] == other


def test_single_outliers_are_no_change() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=20_000)
    values[random.random(20_000) < 0.02] = 1000.0
    assert first_change(values)[1] == 0


def test_a_slow_wave_and_heavy_tails_are_no_change() -> None:
    random = np.random.default_rng(4)
    wave = np.sin(np.arange(20_000) / 300) + 0.01 * random.normal(size=20_000)
    assert first_change(wave)[1] == 0
    assert first_change(random.standard_t(3, size=20_000))[1] == 0


def test_bursts_that_were_left_are_usual() -> None:
    random = np.random.default_rng(5)
    scaler = Scaler(5.0, 0.0002, 1)
    found = 0
    for _ in range(10):
        for x in [*(0.01 * random.normal(size=1000)), *(5.0 + random.normal(size=64))]:
            scaler.observe(np.array([x]))
            found += scaler.change_of(0) == 1
            scaler.settle(0, False)
    assert found == 1


def test_without_watching_no_change_is_found() -> None:
    scaler = Scaler(5.0, 0.0002, 1, False)
    for x in [*np.random.default_rng(6).normal(size=500), *(1000.0 + np.arange(100.0))]:
        scaler.observe(np.array([x]))
        assert scaler.change_of(0) == 0


@pytest.mark.parametrize(("part", "value"), [(5, 16.0), (5, -1.0), (8, -1.0), (9, 3.0), (10, -1.0), (12, -1.0)])
def test_blocks_that_cannot_be_are_refused(part: int, value: float) -> None:
    scaler = Scaler(5.0, 0.01, 2)
    state = scaler.save(2)
    state[part][0] = value
    with pytest.raises(ValueError, match=r"block|burst"):
        scaler.restore(state)
