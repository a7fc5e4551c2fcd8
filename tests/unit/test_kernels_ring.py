"""Experience replay's ring; its draws are held to the specification by ``test_kernels_linear.py``."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import frozen

from edgedescent import LinearRegressor
from edgedescent.kernels.ring import Ring

wide_events = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcdef"), st.integers(-9, 9), max_size=6), st.integers(-9, 9)),
    max_size=30,
)


@given(wide_events, st.integers(1, 8))
def test_it_holds_the_latest_events(events: list[Any], size: int) -> None:
    model = LinearRegressor(replay_size=size, replay_steps=1)
    latest: deque[tuple[dict[str, Any], float]] = deque(maxlen=size)
    for x, y in events:
        model.learn_one(x, y)
        latest.append((x, y))
    state: dict[str, Any] = dict(model.state_dict())
    names = ["", *state["features"]]
    kept = [
        ({names[row]: value for row, value in zip(rows[:n], values[:n], strict=True)}, target)
        for rows, values, target, n in zip(
            state["ring.rows"], state["ring.values"], state["ring.targets"], state["ring.lengths"], strict=True
        )
    ]
    # The slot that is written next holds the oldest.
    oldest = len(events) % size if len(events) > size else 0
    assert kept[oldest:] + kept[:oldest] == list(latest)


@given(wide_events, wide_events, st.integers(1, 5))
def test_goes_on_from_a_saved_state(before: list[Any], after: list[Any], size: int) -> None:
    model = LinearRegressor(replay_size=size, replay_steps=2, features_max=3)
    for event in before:
        model.learn_one(*event)
    restored = model.clone(include_attributes=True)
    assert frozen(restored) == frozen(model)
    for event in after:
        assert model.predict_learn_one(*event) == restored.predict_learn_one(*event)
    assert frozen(restored) == frozen(model)


def test_another_seed_draws_otherwise() -> None:
    def learned(seed: int) -> bytes:
        model = LinearRegressor(replay_size=50, replay_steps=2, seed=seed)
        for n in range(200):
            model.learn_one({"a": n % 7, "b": n % 5}, float(n % 11))
        return bytes(model.state_dict()["weights"].tobytes())

    assert learned(1) == learned(1) != learned(2)


def test_the_same_size_of_memory_whatever_comes_by() -> None:
    model = LinearRegressor(replay_size=10, replay_steps=1, features_max=20)
    for n in range(500):
        model.learn_one({f"f{(n + i) % 200}": 1.0 for i in range(5)}, float(n % 3))
    state = model.state_dict()
    assert state["ring.rows"].shape == (10, 5)
    assert model.ring.n_pushed == 500


def state_of(**changes: Any) -> list[Any]:
    state: dict[str, Any] = {
        "rows": np.array([[1, 2], [2, 0]], dtype=np.int64),
        "values": np.ones((2, 2)),
        "targets": np.zeros(2),
        "lengths": np.array([2, 1], dtype=np.int64),
        "times": np.arange(2, dtype=np.int64),
        "draws": np.array([7, 2], dtype=np.uint64),
    }
    return list({**state, **changes}.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.zeros(3)}, "ring of 3 events does not fit one of 4"),
        ({"values": np.ones((2, 3))}, "ring of 2 events does not fit one of 4"),
        ({"draws": np.array([7, 3], dtype=np.uint64)}, "ring of 2 events does not fit one of 4"),
        ({"draws": np.array([7], dtype=np.uint64)}, "ring of 2 events does not fit one of 4"),
        ({"rows": np.array([[1, 3], [2, 0]], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"rows": np.array([[1, -1], [2, 0]], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"lengths": np.array([3, 1], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"lengths": np.array([-1, 1], dtype=np.int64)}, "refers to rows that do not exist"),
    ],
)
def test_a_state_that_cannot_be_is_refused(changes: Any, message: str) -> None:
    ring = Ring(4, 1)
    ring.restore(*state_of(), 3)
    before = {name: array.tobytes() for name, array in ring.save().items()}
    with pytest.raises(ValueError, match=message):
        ring.restore(*state_of(**changes), 3)
    assert {name: array.tobytes() for name, array in ring.save().items()} == before
