"""Prequential errors."""

from __future__ import annotations

import math

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
    assert errors.summary() == pytest.approx(specified.summary(), rel=1e-9, abs=1e-9)


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


@pytest.mark.parametrize("values", [np.zeros(9), np.full(10, np.nan), np.full(10, -1.0), np.zeros((2, 5))])
def test_a_state_that_cannot_be_is_refused(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="10 finite numbers"):
        Prequential().restore(values)
