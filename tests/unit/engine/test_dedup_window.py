"""The memory of recent ids, by which a repeated event is recognized."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.engine._dedup_window import DedupWindow
from reference.engine import DedupWindow as Specified
from reference.features import siphash24

few_keys = st.lists(st.integers(0, 25).map(str), max_size=150)
windows = st.integers(1, 20)


@given(few_keys, windows)
def test_agrees_with_an_ordered_dict(keys: list[str], window: int) -> None:
    recent, specified = DedupWindow(window), Specified(window)
    for key in keys:
        assert recent.add(key) == specified.add(key)
        assert len(recent) == len(specified.ids)
        assert all((str(k) in recent) == (str(k) in specified.ids) for k in range(26))
    assert recent.save().tolist() == [siphash24(key.encode()) for key in specified.ids]


def test_many_ids_through_a_small_window() -> None:
    # Long enough that the index wraps round and its gaps are closed many thousand times.
    recent, specified = DedupWindow(37), Specified(37)
    state = 1
    for n in range(50_000):
        state = state * 48271 % (2**31 - 1)
        key = str(n - state % 60)
        assert recent.add(key) == specified.add(key)


@given(few_keys, few_keys, windows)
def test_goes_on_from_a_saved_state(before: list[str], after: list[str], window: int) -> None:
    recent = DedupWindow(window)
    for key in before:
        recent.add(key)
    copy = DedupWindow(window)
    copy.restore(recent.save(), recent.n_added)
    assert copy.n_added == recent.n_added
    assert np.array_equal(copy.save(), recent.save())
    assert [copy.add(key) for key in after] == [recent.add(key) for key in after]
    assert np.array_equal(copy.save(), recent.save())


@given(few_keys, windows, windows)
def test_another_window_keeps_the_newest(keys: list[str], window: int, other: int) -> None:
    recent = DedupWindow(window)
    for key in keys:
        recent.add(key)
    resized = DedupWindow(other)
    resized.restore(recent.save(), recent.n_added)
    assert np.array_equal(resized.save(), recent.save()[-other:])


def test_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="window of recent ids must be at least 1"):
        DedupWindow(0)
    recent = DedupWindow(4)
    recent.add("a")
    for hashes, n_added in (([1, 2], 1), ([1, 2], -5), ([7, 7], 2)):
        with pytest.raises(ValueError, match="not the distinct newest"):
            recent.restore(np.array(hashes, dtype=np.uint64), n_added)
    assert "a" in recent
    with pytest.raises(TypeError):
        recent.add(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        recent.add(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="surrogates"):
        recent.add("\ud800")
    assert len(recent) == 1
