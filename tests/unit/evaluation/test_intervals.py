"""Intervals over seeds and paired comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.evaluation import bootstrap_interval, paired_difference
from edgedescent.evaluation.intervals import _student_quantile
from reference import evaluation as specified

# From the tables of Student's distribution, 0.975.
STUDENT = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 9: 2.2622, 19: 2.0930, 30: 2.0423}


@pytest.mark.parametrize("degrees", STUDENT)
def test_quantiles_are_those_of_the_tables(degrees: int) -> None:
    assert _student_quantile(0.975, degrees) == pytest.approx(STUDENT[degrees], abs=5e-5)


def test_few_seeds_give_their_range_and_its_level() -> None:
    for n, level in ((1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375), (6, 0.95)):
        found = bootstrap_interval(np.arange(float(n)))
        assert (found.level, found.n, found.mean) == (level, n, (n - 1) / 2)
        assert ((found.low, found.high) == (0.0, n - 1.0)) == (n < 6)
    assert bootstrap_interval([1.0, 2.0, 3.0], level=0.5).level == 0.5


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).normal(size=10)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_intervals_hold_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    for n in (6, 10, 20):
        found = [bootstrap_interval(rng.normal(size=n), seed=seed) for seed in range(200)]
        share = sum(one.low <= 0 <= one.high for one in found) / len(found)
        assert 0.88 < share < 0.99


@given(st.lists(st.integers(-8, 8), min_size=1, max_size=8))
def test_the_p_value_is_a_count_of_combinations(differences: list[int]) -> None:
    found = paired_difference(np.array(differences, dtype=float), np.zeros(len(differences)))
    assert found.p_value == specified.sign_flip_p(differences)
    assert found.p_value >= found.p_value_min


def test_pairs_by_hand() -> None:
    # Of 8 combinations of ±1 ±2 ±3, those with an absolute sum of 4 or more: ±(-1 + 2 + 3), ±(1 + 2 + 3).
    found = paired_difference([0.0, 2.0, 3.0], [1.0, 0.0, 0.0])
    assert found.p_value == 0.5
    assert found.difference.mean == pytest.approx(4 / 3)
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p_value == 1.0
    assert paired_difference(np.arange(6) + 1.0, np.arange(6.0)).p_value == 2 / 64


def test_many_seeds_are_estimated_and_never_0() -> None:
    rng = np.random.default_rng(0)
    same = paired_difference(rng.normal(size=30), rng.normal(size=30))
    other = paired_difference(rng.normal(size=30) + 9, rng.normal(size=30))
    assert same.p_value > 0.05
    assert 0 < other.p_value < 1e-4
    assert other.difference.low > 0


def test_wrong_scores_are_refused() -> None:
    for values in ([], [[1.0]], [1.0, math.nan]):
        with pytest.raises(ValueError, match="scores of the seeds"):
            bootstrap_interval(values)
    with pytest.raises(ValueError, match="level"):
        bootstrap_interval([1.0], level=1.0)
    with pytest.raises(ValueError, match=r"same seeds\. Got 1 and 2"):
        paired_difference([1.0], [1.0, 2.0])
