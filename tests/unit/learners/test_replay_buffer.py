"""Experience replay's ring; its draws are held to the specification by ``test_kernels_linear.py``."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.learners._replay_buffer import ReplayBuffer
from edgedescent.testing.support import bits

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
    assert held(model) == list(latest)


def held(model: LinearRegressor) -> list[tuple[dict[str, Any], float]]:
    """The events in the ring, oldest first."""
    state: dict[str, Any] = dict(model.state_dict())
    names = ["", *state["features"]]
    ends = np.cumsum(state["replay_buffer.lengths"])
    return [
        (
            {
                names[row]: value
                for row, value in zip(state["replay_buffer.rows"][a:b], state["replay_buffer.values"][a:b], strict=True)
            },
            y,
        )
        for a, b, y in zip(ends - state["replay_buffer.lengths"], ends, state["replay_buffer.targets"], strict=True)
    ]


@pytest.mark.parametrize("size", [1, 3, 200])
def test_wide_events_leave_room_for_fewer(size: int) -> None:
    model = LinearRegressor(replay_size=size, replay_steps=1, features_max=20_000)
    cells_max = max(128 * size, 16_384)
    latest: deque[tuple[dict[str, float], float]] = deque(maxlen=size)
    rng = np.random.default_rng(size)
    for n in range(30):
        x = {f"f{i}": float(i + n) for i in range(int(rng.choice([1, 50, 5000, 9000, 16_384])))}
        model.learn_one(x, float(n))
        latest.append((x, float(n)))
        while sum(len(x) for x, _ in latest) > cells_max:
            latest.popleft()
    assert held(model) == list(latest)
    assert model.model.replay_buffer.n_cells <= model.model.replay_buffer.cells_max == cells_max
    restored = model.clone(include_attributes=True)
    for n in range(5):
        x = {f"f{i}": float(i - n) for i in range(9000)}
        assert model.predict_learn_one(x, 1.0) == restored.predict_learn_one(x, 1.0)
    assert bits(restored) == bits(model)


@given(wide_events, wide_events, st.integers(1, 5))
def test_goes_on_from_a_saved_state(before: list[Any], after: list[Any], size: int) -> None:
    model = LinearRegressor(replay_size=size, replay_steps=2, features_max=3)
    for event in before:
        model.learn_one(*event)
    restored = model.clone(include_attributes=True)
    assert bits(restored) == bits(model)
    for event in after:
        assert model.predict_learn_one(*event) == restored.predict_learn_one(*event)
    assert bits(restored) == bits(model)


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
        model.learn_one({f"f{5 * n + i}": 1.0 for i in range(5)}, float(n % 3))
    assert (model.model.replay_buffer.held, model.model.replay_buffer.n_values, model.model.replay_buffer.n_pushed) == (
        10,
        50,
        500,
    )
    assert model.model.replay_buffer.n_cells < 100


def state_of(**changes: Any) -> dict[str, Any]:
    state: dict[str, Any] = {
        "rows": np.array([1, 2, 2], dtype=np.int64),
        "values": np.ones(3),
        "targets": np.zeros(2),
        "lengths": np.array([2, 1], dtype=np.int64),
        "times": np.arange(2, dtype=np.int64),
        "draws": np.array([7, 2], dtype=np.uint64),
    }
    return {f"replay_buffer.{name}": array for name, array in {**state, **changes}.items()}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": np.zeros(3)}, "replay buffer of 3 events does not fit one of 4"),
        ({"values": np.ones(4)}, "replay buffer of 2 events does not fit one of 4"),
        (
            {"values": np.ones(16_385), "rows": np.ones(16_385, dtype=np.int64)},
            "replay buffer of 2 events does not fit one of",
        ),
        ({"draws": np.array([7, 1], dtype=np.uint64)}, "replay buffer of 2 events does not fit one of 4"),
        ({"draws": np.array([7], dtype=np.uint64)}, "replay buffer of 2 events does not fit one of 4"),
        ({"rows": np.array([1, 3, 2], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"rows": np.array([1, -1, 2], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"lengths": np.array([3, 1], dtype=np.int64)}, "refers to rows that do not exist"),
        ({"lengths": np.array([-1, 4], dtype=np.int64)}, "refers to rows that do not exist"),
    ],
)
def test_a_state_that_cannot_be_is_refused(changes: Any, message: str) -> None:
    buffer = ReplayBuffer(4, 1)
    buffer.restore(state_of(), 3)
    before = {name: array.tobytes() for name, array in buffer.save().items()}
    with pytest.raises(ValueError, match=message):
        buffer.restore(state_of(**changes), 3)
    assert {name: array.tobytes() for name, array in buffer.save().items()} == before
