"""Recovery after a change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.evaluation import error_floor, recovery, window_means
from reference import evaluation as specified

# Sums of such errors have no rounding, so that both implementations decide alike where an error is just within.
errors = st.integers(0, 40).map(lambda number: number / 4)


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[float], list[float], list[float] | None, int, float]:
    n = draw(st.integers(1, 25))

    def curve() -> list[float]:
        # Curves that are equal in parts, so that recoveries happen.
        levels = draw(st.lists(errors, min_size=1, max_size=3))
        noise = draw(st.lists(errors, min_size=n, max_size=n)) if draw(st.booleans()) else [0.0] * n
        return [levels[i * len(levels) // n] + noise[i] for i in range(n)]

    old = curve() if draw(st.booleans()) else None
    return curve(), curve(), old, draw(st.integers(1, n)), draw(st.sampled_from([0.0, 0.25, 1.0]))


@given(runs())
def test_agrees_with_a_naive_implementation(
    given_: tuple[list[float], list[float], list[float] | None, int, float],
) -> None:
    run, new, old, window, floor = given_
    found = recovery(run, new, old, window=window, floor=floor)
    duration, worst, regret, to_10 = specified.recovery(run, new, old, window, floor)
    assert (found.duration, found.events_to_10_percent) == (duration, to_10)
    assert found.max_performance_loss == pytest.approx(worst)
    assert found.regret == pytest.approx(regret)
    assert (found.horizon, found.window, found.floor) == (len(run), window, floor)


@pytest.mark.parametrize("window", [1, 2, 10, 50])
@pytest.mark.parametrize("n_bad", [0, 1, 7, 50])
def test_an_abrupt_recovery_is_dated_exactly_whatever_the_window(n_bad: int, window: int) -> None:
    run = [100.0] * n_bad + [1.0] * (100 - n_bad)
    found = recovery(run, [1.0] * 100, window=window, floor=0.01)
    assert found.events_to_10_percent == found.duration == n_bad
    assert found.regret == 99.0 * n_bad


def test_example_by_hand() -> None:
    # Windows of 2, run: 1 2.5 4 4 3 1.5 1; new twin: 1; old twin: 1.
    run = [1.0, 1.0, 4.0, 4.0, 4.0, 2.0, 1.0, 1.0]
    found = recovery(run, [1.0] * 8, [1.0] * 8, window=2, floor=0.1)
    assert found.max_performance_loss == 3.0
    assert found.regret == 10.0
    # All windows from the one that begins behind the 6th event are as good as the twin's.
    assert found.events_to_10_percent == 6
    # It is lost in the window that begins behind the first event: 2.5.
    assert found.duration == 5


def test_tolerances_of_5_and_10_percent_are_included() -> None:
    # 1 + 1/16 is beyond 5 % and within 10 %.
    found = recovery([2.0, 1.0625, 1.0625, 1.0], [1.0] * 4, window=1, floor=0.0)
    assert (found.events_to_10_percent, found.duration) == (1, 3)
    assert recovery([1.1], [1.0], window=1, floor=0.0).events_to_10_percent == 0


def test_a_run_that_never_recovers_has_no_number() -> None:
    found = recovery([2.0] * 5, [1.0] * 5, window=2, floor=0.0)
    assert (found.events_to_10_percent, found.duration) == (None, None)
    # Nor has one that does and falls back at the end.
    found = recovery([2.0, 1.0, 1.0, 1.0, 2.0], [1.0] * 5, window=2, floor=0.0)
    assert (found.events_to_10_percent, found.duration) == (None, None)


def test_the_last_window_alone_can_be_the_recovery() -> None:
    assert recovery([2.0, 2.0, 1.0, 1.0], [1.0] * 4, window=2, floor=0.0).events_to_10_percent == 2


def test_an_error_below_the_floor_is_recovered_where_the_twin_has_none() -> None:
    run = [1.0] * 4 + [0.005] * 6
    assert recovery(run, [1e-9] * 10, window=2, floor=0.01).events_to_10_percent == 4
    assert recovery(run, [1e-9] * 10, window=2, floor=0.0).events_to_10_percent is None
    # The loss is finite as well.
    assert recovery(run, [0.0] * 10, window=2, floor=0.01).max_performance_loss == pytest.approx(99.0)
    assert recovery(run, [0.0] * 10, window=2, floor=0.0).max_performance_loss == math.inf
    assert recovery([0.0] * 4, [0.0] * 4, window=2, floor=0.0).max_performance_loss == 0.0


def test_the_loss_is_relative_to_the_worse_twin_and_the_duration_starts_at_the_better() -> None:
    # The new regime is easier: the run comes down from the old twin's error to the new one's.
    run, new, old = [4.0, 4.0, 2.0, 1.0, 1.0], [1.0] * 5, [4.0] * 5
    found = recovery(run, new, old, window=1, floor=0.0)
    assert (found.duration, found.max_performance_loss) == (3, 0.0)
    # The new regime is harder, and comes gradually: the loss starts after two events.
    run, new, old = [1.0, 1.0, 6.0, 3.0, 2.0], [2.0] * 5, [1.0] * 5
    found = recovery(run, new, old, window=1, floor=0.0)
    assert (found.duration, found.events_to_10_percent, found.max_performance_loss) == (2, 4, 2.0)


def test_a_better_run_has_nothing_to_recover_from_and_a_negative_regret() -> None:
    found = recovery([1.0] * 4, [2.0] * 4, window=2, floor=0.0)
    assert (found.duration, found.events_to_10_percent, found.max_performance_loss) == (0, 0, 0.0)
    assert found.regret == -4.0


def test_a_huge_error_leaves_no_rounding_in_later_windows() -> None:
    run = [1e90] * 3 + [0.1] * 20
    assert recovery(run, [0.1] * 23, window=5, floor=0.0).events_to_10_percent == 3


def test_the_floor_is_a_share_of_the_distance_from_the_median() -> None:
    assert error_floor([0.0, 0.0, 10.0, 50.0], share=0.5) == 0.5 * (5 + 5 + 5 + 45) / 4
    assert error_floor([3.0] * 5) == 0.0
    with pytest.raises(ValueError, match="share"):
        error_floor([1.0], share=-1)
    with pytest.raises(ValueError, match="finite target"):
        error_floor([math.nan])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.data())
def test_window_means_are_means_of_windows(values: list[float], data: st.DataObject) -> None:
    window = data.draw(st.integers(1, len(values)))
    expected = [math.fsum(values[j : j + window]) / window for j in range(len(values) - window + 1)]
    assert window_means(values, window).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1.0, 2.0], None, 1, 0.0), r"`new_twin` must have the shape \(1,\)"),
        (([1.0], [1.0], [1.0, 2.0], 1, 0.0), r"`old_twin` must have the shape \(1,\)"),
        (([1.0, math.nan], [1.0, 1.0], None, 1, 0.0), "`run` must be >= 0 and finite. Got nan at place 2"),
        (([1.0], [-1.0], None, 1, 0.0), "`new_twin` must be >= 0 and finite"),
        (([1.0], [1.0], None, 2, 0.0), "between 1 event and all 1. Got 2"),
        (([1.0], [1.0], None, 0, 0.0), "Got 0"),
        (([], [], None, 1, 0.0), "Got 1"),
        (([1.0], [1.0], None, 1, -1.0), "floor"),
        (([[1.0]], [1.0], None, 1, 0.0), "shape"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: tuple[list[float], list[float], None, int, float], message: str
) -> None:
    run, new, old, window, floor = arguments
    with pytest.raises(ValueError, match=message):
        recovery(np.array(run), np.array(new), old, window=window, floor=floor)
