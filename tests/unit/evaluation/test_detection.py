"""Scores of change detectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.evaluation import detection_scores
from reference import evaluation as specified

N = 60
changes = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, 15)).map(lambda pair: (pair[0], sum(pair))), max_size=5
)


@given(st.lists(st.integers(1, N), unique=True), changes, st.integers(1, 20))
def test_agrees_with_a_naive_implementation(alarms: list[int], changes: list[tuple[int, int]], window: int) -> None:
    found = detection_scores(alarms, changes, window=window, n_events=N)
    expected = specified.detection(alarms, changes, window, N)
    assert (list(found.delays), found.false_alarms, found.repeats, found.events_without_change) == expected


def test_example_by_hand() -> None:
    # Accepted: 101 to 150, 201 to 300 (20 events of change and 80 after it), 301 to 380.
    found = detection_scores([100, 101, 150, 181, 299, 301], [100, (200, 220), 300], window=80, n_events=1000)
    assert found.delays == (1, 99, 1)
    # 150 repeats 101; 181 is behind the window of 100; 100 is before it.
    assert (found.repeats, found.false_alarms, found.missed) == (1, 2, 0)
    assert found.events_without_change == 1000 - 80 - 100 - 80
    assert found.mean_delay == pytest.approx(101 / 3)
    assert found.events_between_false_alarms == 370.0
    assert found.mean_time_ratio == pytest.approx(370 / (101 / 3))


def test_what_is_unknown_is_none() -> None:
    found = detection_scores([], [10], window=5, n_events=100)
    assert (found.delays, found.missed_rate, found.mean_delay) == ((None,), 1.0, None)
    assert (found.events_between_false_alarms, found.mean_time_ratio) == (None, None)
    assert detection_scores([3], [], window=5, n_events=100).missed_rate is None


@pytest.mark.parametrize(
    ("alarms", "changes", "window"),
    [([0], [], 1), ([101], [], 1), ([], [100], 1), ([], [-1], 1), ([], [(5, 4)], 1), ([], [], 0)],
)
def test_numbers_outside_of_the_stream_are_refused(alarms: list[int], changes: list[int], window: int) -> None:
    with pytest.raises(ValueError, match="Got"):
        detection_scores(alarms, changes, window=window, n_events=100)
