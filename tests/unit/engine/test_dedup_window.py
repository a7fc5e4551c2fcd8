"""The memory of recent events with ids, by which a repeat is told from another event with the same id."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine._dedup_window import DedupWindow
from reference.engine import DedupWindow as Specified

WORD = 2**64 - 1
# Keys and contents that meet in the index of a small window, and such that are far apart.
words = st.integers(0, 7) | st.sampled_from([WORD, WORD - 8, 2**63, 64, 128])
pairs = st.lists(st.tuples(words, words), max_size=150)
windows = st.integers(1, 20)


def filled(window: int, events: list[tuple[int, int]]) -> DedupWindow:
    recent = DedupWindow(window)
    for key, content in events:
        recent.add(key, content)
    return recent


@given(pairs, windows)
def test_agrees_with_a_list(events: list[tuple[int, int]], window: int) -> None:
    recent, specified = DedupWindow(window), Specified(window)
    for key, content in events:
        assert recent.knows(key) == specified.knows(key)
        assert recent.holds(key, content) == specified.holds(key, content)
        assert recent.add(key, content) == specified.add(key, content)
        assert len(recent) == len(specified.pairs)
        assert all(recent.holds(*pair) == specified.holds(*pair) for pair in events)
        assert all(recent.knows(key) == specified.knows(key) for key, _ in events)
    assert recent.save().tolist() == [list(pair) for pair in specified.pairs]


@pytest.mark.parametrize("n_contents", [1, 2, 50])
def test_many_events_through_a_small_window(n_contents: int) -> None:
    # Long enough that the index wraps round and its gaps are closed many thousand times.
    recent, specified = DedupWindow(37), Specified(37)
    state = 1
    for n in range(20_000):
        state = state * 48271 % (2**31 - 1)
        key, content = n - state % 60 + 60, state // 60 % n_contents
        assert recent.knows(key) == specified.knows(key)
        assert recent.add(key, content) == specified.add(key, content)
    assert recent.save().tolist() == [list(pair) for pair in specified.pairs]


@given(pairs, pairs, windows)
def test_goes_on_from_a_saved_state(before: list[tuple[int, int]], after: list[tuple[int, int]], window: int) -> None:
    recent = filled(window, before)
    copy = DedupWindow(window)
    copy.restore(recent.save(), recent.n_added)
    assert copy.n_added == recent.n_added
    assert np.array_equal(copy.save(), recent.save())
    assert [copy.knows(key) for key, _ in before] == [recent.knows(key) for key, _ in before]
    assert [copy.add(*pair) for pair in after] == [recent.add(*pair) for pair in after]
    assert np.array_equal(copy.save(), recent.save())


@given(pairs, windows, windows)
def test_another_window_keeps_the_newest(events: list[tuple[int, int]], window: int, other: int) -> None:
    recent = filled(window, events)
    resized = DedupWindow(other)
    resized.restore(recent.save(), recent.n_added)
    assert np.array_equal(resized.save(), recent.save()[-other:])


def test_a_saved_window_is_a_copy() -> None:
    recent = filled(3, [(1, 1), (2, 2)])
    saved = recent.save()
    recent.add(3, 3)
    recent.add(4, 4)
    assert saved.tolist() == [[1, 1], [2, 2]]


def test_one_id_for_all_events_costs_no_more_than_one_for_each() -> None:
    def best_of(step: int) -> float:
        times = []
        for _ in range(5):
            recent = DedupWindow(20_000)
            began = time.perf_counter()
            for n in range(60_000):
                # Contents are hashes: spread over all bits.
                recent.add(n * step * 0x9E3779B97F4A7C15 & WORD, n * 0xBF58476D1CE4E5B9 & WORD)
            times.append(time.perf_counter() - began)
        return min(times)

    # It would be thousands of times as much if each event were compared with all others.
    assert best_of(0) < 20 * best_of(1)


def test_refuses_what_it_cannot_hold() -> None:
    for window in (0, -1, 2**29 + 1):
        with pytest.raises(ValueError, match="window of recent ids must be at least 1"):
            DedupWindow(window)
    recent = filled(4, [(1, 10)])
    for events, n_added in (([[1, 2], [3, 4]], 1), ([[1, 2], [3, 4]], -5), ([[7, 8], [7, 8]], 2), ([[1, 2]] * 9, 9)):
        with pytest.raises(ValueError, match="not the distinct newest"):
            recent.restore(np.array(events, dtype=np.uint64), n_added)
    for shape in ((4,), (2, 3), (1, 2, 2)):
        with pytest.raises(ValueError, match=r"shape \(n_events, 2\)"):
            recent.restore(np.zeros(shape, dtype=np.uint64), 9)
    assert recent.holds(1, 10)
    with pytest.raises(TypeError):
        recent.add(None, 1)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        recent.add(2**64, 1)
    assert len(recent) == 1
