"""Checks of hyper-parameters and arrays."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.losses import AdaptiveHuberLoss
from edgedescent.optim import SGD, Adam
from edgedescent.validation import as_numbers, require_choice, require_count, require_instance, require_number


@given(st.one_of(st.floats(), st.integers()), st.floats(-10, 10), st.floats(-10, 10))
def test_a_number_is_taken_exactly_within_its_bounds(value: float, low: float, high: float) -> None:
    for bounds, inside in (
        ({"above": low, "below": high}, low < value < high),
        ({"at_least": low, "at_most": high}, low <= value <= high),
        ({}, True),
    ):
        try:
            require_number("X", "y", value, **bounds)
            taken = True
        except ValueError:
            taken = False
        finite = isinstance(value, int) or math.isfinite(value)
        assert taken == (inside and finite)


@pytest.mark.parametrize("value", [1, 1.5, np.float64(1.5), np.float32(1.5), np.int16(1), Fraction(3, 2)])
def test_numbers_of_any_kind_are_taken(value: Any) -> None:
    require_number("X", "y", value, above=0, at_most=2)


@pytest.mark.parametrize(
    "value", [True, np.True_, "1", b"1", None, [1], 1j, math.nan, math.inf, -math.inf, 10**400, object()]
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="The `y` of X must be a finite number"):
        require_number("X", "y", value)
    with pytest.raises(ValueError, match="The `y` of X must be an integer >= 0"):
        require_count("X", "y", value, at_most=10)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"above": 0}, "> 0"),
        ({"at_least": 0, "below": 1}, ">= 0 and < 1"),
        ({"above": 0.5, "at_most": 1}, "> 0.5 and <= 1"),
    ],
)
def test_the_error_names_the_bounds(bounds: dict[str, float], expected: str) -> None:
    with pytest.raises(ValueError, match=f"The `y` of X must be {expected}. Got -3"):
        require_number("X", "y", -3, **bounds)


def test_the_owner_is_named_by_its_type() -> None:
    with pytest.raises(ValueError, match=r"The `lr` of Adam must be > 0\. Got -3"):
        Adam(lr=-3)


@given(st.integers(-5, 15), st.integers(-3, 3), st.integers(0, 10))
def test_a_count_is_taken_exactly_within_its_bounds(value: int, low: int, high: int) -> None:
    if low <= value <= high:
        require_count("X", "y", value, at_least=low, at_most=high)
    else:
        with pytest.raises(ValueError, match=f"an integer >= {low} and <= {high}. Got {value}"):
            require_count("X", "y", value, at_least=low, at_most=high)


def test_counts_may_come_from_numpy_but_not_as_floats() -> None:
    require_count("X", "y", np.int64(3), at_least=1)
    with pytest.raises(ValueError, match=r"an integer >= 1\. Got 3\.0"):
        require_count("X", "y", 3.0, at_least=1)


def test_choices_and_instances() -> None:
    require_choice("X", "y", "a", ("a", "b"))
    with pytest.raises(ValueError, match=r"The `y` of X must be one of 'a', 'b'\. Got 3"):
        require_choice("X", "y", 3, ("a", "b"))  # type: ignore[arg-type]
    require_instance("X", "y", SGD(), SGD)
    with pytest.raises(ValueError, match=r"The `y` of X must be an instance of SGD\. Got 'sgd'"):
        require_instance("X", "y", "sgd", SGD)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(lr=0), "`lr` of SGD must be > 0"),
        (lambda: Adam(beta1=1.0), "`beta1` of Adam must be >= 0 and < 1"),
        (lambda: Adam(beta2=-0.1), "`beta2` of Adam must be >= 0 and < 1"),
        (lambda: Adam(eps=0.0), "`eps` of Adam must be > 0"),
        (lambda: AdaptiveHuberLoss(k=1.0), "`k` of AdaptiveHuberLoss must be > 1"),
        (lambda: AdaptiveHuberLoss(rate_min=1.5), "`rate_min` of AdaptiveHuberLoss must be > 0 and <= 1"),
    ],
)
def test_hyper_parameters_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_arrays_of_numbers_of_any_kind() -> None:
    mixed = as_numbers("y", [1, None, True, 2.5, Fraction(1, 2), Decimal("0.25"), 10**400, np.bool_(True)], ndim=1)
    assert mixed.tolist()[2:] == [1.0, 2.5, 0.5, 0.25, math.inf, 1.0]
    assert math.isnan(mixed[1])
    for dtype in ("i1", "u8", "f4", "?", ">f8"):
        assert as_numbers("X", np.ones((2, 3), dtype=dtype), ndim=2).dtype == np.float64
    assert as_numbers("X", np.ones((4, 6)).T[::2], ndim=2).flags.c_contiguous
    assert as_numbers("X", [], ndim=2).shape == (0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1.5"], "The `y` must hold real numbers. Got .*'1.5'"),
        ([b"1"], "must hold real numbers"),
        ([1j], "must hold real numbers"),
        ([1.0, "x", None], "must hold real numbers"),
        ([None, "1"], "must hold real numbers. Got '1'"),
        ([None, object()], "must hold real numbers. Got <object"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "must hold real numbers"),
        (np.array([1], dtype="m8[s]"), "must hold real numbers"),
        (3.0, "must be an array of 1 dimensions. Got 0"),
        ([[1.0]], "must be an array of 1 dimensions. Got 2"),
        ([[1.0], [1.0, 2.0]], "must be an array of 1 dimensions"),
    ],
)
def test_arrays_of_anything_else_are_refused(values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_numbers("y", values, ndim=1)
