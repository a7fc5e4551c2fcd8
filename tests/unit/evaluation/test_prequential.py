"""Prequential errors."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.evaluation._prequential import Prequential
from reference.evaluation import Prequential as Specified

numbers = st.one_of(st.integers(-50, 50), st.floats(-100, 100), st.just(1e9))
pairs = st.lists(st.tuples(numbers, numbers), max_size=60)


def sines(n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Targets between 9 and 11."""
    return 10.0 + np.sin(np.arange(n))


@given(pairs)
def test_agrees_with_the_definition(pairs: list[tuple[float, float]]) -> None:
    errors, specified = Prequential(), Specified()
    for y, prediction in pairs:
        errors.update(y, prediction)
        specified.update(y, prediction)
    assert errors.n_unscored == specified.unscored
    found, expected = errors.summary(), specified.summary()
    scale = max(map(abs, specified.ys), default=0.0)
    spread = statistics.pstdev(specified.ys[1:]) if len(specified.ys) > 1 else 0.0
    if spread < 1e-5 * scale or spread < 1e-9:
        # Where the targets hardly vary, their rounding decides of what is left of the variance.
        for scores in (found, expected):
            scores.pop("r2", None)
            scores.pop("mase", None)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_examples_by_hand() -> None:
    errors = Prequential()
    # Scored are 3, 4, 8: mean 5, squares 4 + 1 + 9 = 14; errors 1, -1, 2; steps of the target 2, 1, 4.
    errors.update_many(np.array([1.0, 3.0, 4.0, 8.0]), np.array([9.0, 2.0, 5.0, 6.0]))
    assert errors.n_scored == 3
    found = errors.summary()
    assert found["mae"] == pytest.approx(4 / 3)
    assert found["rmse"] == pytest.approx(math.sqrt(2))
    assert found["r2"] == pytest.approx(1 - 6 / 14)
    assert found["mase"] == pytest.approx(4 / 7)


def test_ratios_without_a_divisor_are_left_out() -> None:
    errors = Prequential()
    errors.update_many(np.full(3, 2.0), np.array([2.0, 1.0, 3.0]))
    assert errors.summary().keys().isdisjoint({"r2", "mase"})
    # The targets that are scored are equal, but the first one was another: only R² has no divisor.
    errors = Prequential()
    errors.update_many(np.array([1.0, 2.0, 2.0]), np.zeros(3))
    assert "r2" not in errors.summary()
    assert errors.summary()["mase"] == 4.0


@given(pairs, st.integers(1, 60))
def test_batches_give_the_same_bits_as_single_events(pairs: list[tuple[float, float]], size: int) -> None:
    one, many = Prequential(), Prequential()
    for y, prediction in pairs:
        one.update(y, prediction)
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    for start in range(0, len(table), size):
        part = np.ascontiguousarray(table[start : start + size].T)
        part.setflags(write=False)
        many.update_many(*part)
    assert many.save().tobytes() == one.save().tobytes()


def test_batches_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="Got 1 for 2 targets"):
        Prequential().update_many(np.zeros(2), np.zeros(1))


@given(pairs, pairs)
def test_goes_on_from_a_saved_state(before: list[tuple[float, float]], after: list[tuple[float, float]]) -> None:
    errors, copy = Prequential(), Prequential()
    for y, prediction in before:
        errors.update(y, prediction)
    copy.restore(errors.save())
    for y, prediction in after:
        errors.update(y, prediction)
        copy.update(y, prediction)
    assert errors.save().tobytes() == copy.save().tobytes()
    assert errors.summary() == copy.summary()


def test_broken_targets_score_nobody_and_wild_predictions_stay_finite() -> None:
    errors = Prequential()
    for y in (1.0, math.nan, 2.0, math.inf, 1e200, 3.0):
        errors.update(y, 0.0)
    assert errors.summary()["mae"] == 2.5
    for prediction in (math.inf, -math.inf, math.nan):
        errors.update(1.0, prediction)
    assert all(math.isfinite(value) for value in errors.summary().values())


def test_nothing_is_known_before_the_second_event() -> None:
    errors = Prequential()
    assert errors.summary() == {}
    errors.update(1.0, 5.0)
    assert errors.summary() == {}


@pytest.mark.parametrize(
    "values", [np.zeros(78), np.full(79, np.nan), np.full(79, -1.0), np.full(79, 33.0), np.zeros((1, 79))]
)
def test_a_state_that_cannot_be_is_refused(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="79 finite numbers"):
        Prequential().restore(values)


@pytest.mark.parametrize("absurd", [1e40, -1e6, 1e99])
@pytest.mark.parametrize("place", [0, 1, 10, 31, 32, 500, 999])
def test_an_absurd_target_is_counted_and_ruins_no_score(absurd: float, place: int) -> None:
    errors, clean = Prequential(), Prequential()
    y = sines(1000)
    clean.update_many(y, y + 0.5)
    errors.update_many(np.insert(y, place, absurd), np.insert(y + 0.5, place, 10.0))
    assert errors.n_unscored == 1
    assert errors.summary() == clean.summary()


def test_a_stream_that_moves_for_good_is_scored_again() -> None:
    errors = Prequential()
    y = np.concatenate([sines(1000), 1e6 + sines(2000)])
    errors.update_many(y, y - 1.0)
    assert errors.n_unscored == 500
    assert errors.n_scored == 2499
    assert errors.summary()["mae"] == pytest.approx(1.0)
    assert errors.summary()["mae_last_value"] > 100


def test_targets_that_hardly_ever_vary_are_all_scored() -> None:
    errors = Prequential()
    y = np.zeros(100_000)
    y[::10_000] = 1000.0
    errors.update_many(y, np.zeros(100_000))
    assert errors.n_unscored == 0
    assert errors.summary()["mae"] == pytest.approx(9 * 1000.0 / 99_999)


def test_no_ordinary_outlier_is_left_out() -> None:
    errors = Prequential()
    y = np.random.default_rng(1).standard_cauchy(10_000)
    errors.update_many(y, np.zeros(10_000))
    assert errors.n_unscored <= 1
