"""Running standardization."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.features._scaler import Scaler
from reference.features import Scaler as Specified

numbers = st.one_of(st.floats(-1e3, 1e3), st.sampled_from([0.0, 1e30, -1e99, 1e-20]))


@given(st.lists(numbers, max_size=60), st.sampled_from([0.5, 3.0, 1e6]), st.sampled_from([1e-9, 0.01, 0.9]))
def test_agrees_with_the_specification(xs: list[float], clip: float, rate_min: float) -> None:
    moments, specified = Scaler(clip, rate_min, 3), Specified(clip, rate_min)
    for x in xs:
        z = moments.transform(np.array([x]), at=1)
        assert z[0] == pytest.approx(specified.standardize(x), rel=1e-9, abs=1e-12)
        moments.observe(np.array([x]), at=1)
        specified.observe(x)
        count, mean, variance, *_ = (array[1] for array in moments.save(3))
        assert count == specified.n
        assert mean == pytest.approx(specified.mean, rel=1e-12, abs=0)
        assert variance == pytest.approx(specified.variance, rel=1e-12, abs=0)
    # The rows beside it have seen nothing.
    assert all((array[[0, 2]] == 0).all() for array in moments.save(3))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60))
def test_without_clipping_or_forgetting_it_is_the_population_variance(xs: list[float]) -> None:
    moments = Scaler(1e150, 1e-12, 1)
    for x in xs:
        moments.observe(np.array([x]))
    _, mean, variance, *_ = (array[0] for array in moments.save(1))
    assert mean == pytest.approx(statistics.fmean(xs), rel=1e-9, abs=1e-9)
    assert variance == pytest.approx(statistics.pvariance(xs), rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(numbers, numbers, numbers), max_size=30))
def test_rows_are_worked_on_alike_alone_and_in_runs(rows: list[tuple[float, float, float]]) -> None:
    together, apart = Scaler(5.0, 0.01, 3), Scaler(5.0, 0.01, 3)
    for row in rows:
        together.observe(np.array(row))
        for at, x in enumerate(row):
            apart.observe(np.array([x]), at=at)
    for a, b in zip(together.save(3), apart.save(3), strict=True):
        assert a.tobytes() == b.tobytes()


def test_one_outlier_moves_it_by_no_more_than_a_clipped_one() -> None:
    moments = Scaler(5.0, 0.001, 1)
    for i in range(1000):
        moments.observe(np.array([math.sin(i)]))
    sd = math.sqrt(moments.save(1)[2][0])
    before = moments.save(1)[1][0]
    moments.observe(np.array([1e99]))
    assert moments.save(1)[1][0] - before == pytest.approx(0.001 * 5 * sd, rel=0.01)


@pytest.mark.parametrize("poison", [1e4, -1e4, 1e90])
@pytest.mark.parametrize("place", [0, 1, 2, 5, 9])
def test_an_outlier_among_the_first_values_is_forgotten_soon(poison: float, place: int) -> None:
    random = np.random.default_rng(place)
    moments = Scaler(5.0, 0.0002, 1)
    for i in range(40):
        moments.observe(np.array([poison if i == place else 3.0 + random.normal()]))
    _, mean, variance, *_ = (array[0] for array in moments.save(1))
    assert mean == pytest.approx(3.0, abs=1.0)
    assert 0.3 < variance < 4.0


def test_a_feature_that_is_mostly_the_same_does_not_start_again() -> None:
    moments = Scaler(5.0, 0.0002, 1)
    for i in range(64):
        moments.observe(np.array([float(i == 1)]))
    _, mean, variance, *_ = (array[0] for array in moments.save(1))
    assert (mean, variance) == (pytest.approx(1 / 64), pytest.approx(63 / 64**2))


def test_a_value_that_changes_after_being_constant_for_ages_is_noticed() -> None:
    # Without a least variance it would shrink until the clipping kept every change out for good.
    moments = Scaler(5.0, 0.5, 1)
    for x in [1.0, 2.0, *[3.0] * 3000]:
        moments.observe(np.array([x]))
    for i in range(20):
        moments.observe(np.array([10.0 + i % 2]))
    assert moments.save(1)[1][0] == pytest.approx(10.5, abs=0.6)
    assert abs(moments.transform(np.array([10.0]))[0]) < 5.0


def test_goes_on_from_a_saved_state() -> None:
    moments, copy = Scaler(5.0, 0.01, 2), Scaler(5.0, 0.01, 1)
    for i in range(30):
        moments.observe(np.array([i % 7, 1.0]))
    copy.restore(moments.save(2))
    for i in range(30):
        moments.observe(np.array([i % 5, 1.0]))
        copy.observe(np.array([i % 5, 1.0]))
    for a, b in zip(moments.save(2), copy.save(2), strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("part", "value", "message"), [(0, -1.0, "negative"), (2, -1.0, "negative"), (1, None, "unequal length")]
)
def test_a_state_that_cannot_be_is_refused(part: int, value: float | None, message: str) -> None:
    moments = Scaler(5.0, 0.01, 2)
    state = moments.save(2)
    if value is None:
        state[part] = state[part][:1]
    else:
        state[part][0] = value
    with pytest.raises(ValueError, match=message):
        moments.restore(state)


@pytest.mark.parametrize(("n", "at"), [(0, 0), (1, -1), (3, 0), (1, 2)])
def test_rows_that_are_not_there_are_refused(n: int, at: int) -> None:
    moments = Scaler(5.0, 0.01, 2)
    with pytest.raises(ValueError, match="do not fit 2 rows"):
        moments.observe(np.zeros(n), at=at)
    with pytest.raises(ValueError, match="do not fit 2 rows"):
        moments.transform(np.zeros(n), at=at)
