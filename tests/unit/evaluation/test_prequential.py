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


@given(pairs)
def test_agrees_with_the_definition(pairs: list[tuple[float, float]]) -> None:
    errors, specified = Prequential(), Specified()
    for y, prediction in pairs:
        errors.update(y, prediction)
        specified.update(y, prediction)
    found, expected = errors.summary(), specified.summary()
    scale = max((abs(y) for y, _ in pairs), default=0.0)
    spread = statistics.pstdev([y for y, _ in pairs[1:]]) if len(pairs) > 1 else 0.0
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


def test_goes_on_from_the_state_of_version_0_2_without_r2() -> None:
    errors, old = Prequential(), Prequential()
    y, prediction = np.array([1.0, 3.0, 4.0, 8.0]), np.array([9.0, 2.0, 5.0, 6.0])
    errors.update_many(y[:2], prediction[:2])
    old.restore(errors.save()[:10])
    for scores in (errors, old):
        scores.update_many(y[2:], prediction[2:])
    assert {**old.summary(), "r2": errors.summary()["r2"]} == errors.summary()
    again = Prequential()
    again.restore(old.save())
    assert again.summary() == old.summary()


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


@pytest.mark.parametrize("values", [np.zeros(11), np.full(12, np.nan), np.full(12, -1.0), np.zeros((2, 6))])
def test_a_state_that_cannot_be_is_refused(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="12 finite numbers"):
        Prequential().restore(values)
