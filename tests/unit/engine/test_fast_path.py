"""Messages of plain events are learned without objects, and nobody can tell by what comes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MatrixFactorization, MLPRegressor
from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._fast_path import FastPath
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions
from edgedescent.optim import MiniBatch, Optimizer

LEARNERS: dict[str, Callable[[], Any]] = {
    "linear": LinearRegressor,
    "machine": lambda: FactorizationMachine(n_factors=3, features_max=4, categories=["site"]),
    "network": lambda: MLPRegressor(hidden=(4,), replay_size=8),
    "few": lambda: LinearRegressor(features_max=2),
    "sharing": lambda: LinearRegressor(features_max=2, when_full="share"),
    "logistic": LogisticRegressor,
}

numbers = st.one_of(st.floats(-1e4, 1e4), st.integers(-(10**18), 10**18), st.booleans())
values = st.one_of(numbers, numbers, numbers, st.sampled_from([None, 1e150, 1e308, "north", {"a": 1.5}, [1]]))
names = st.sampled_from(["a", "b", "c", "site", "ä", "a\n", "x" * 600])
targets = st.one_of(st.floats(0, 1), st.floats(0, 1), st.sampled_from([None, True, 0, 1, 2, -3.5, 1e99, 1e120, "1"]))
events = st.one_of(
    st.fixed_dictionaries(
        {"x": st.dictionaries(names, values, max_size=4), "y": targets},
        optional={"id": st.one_of(st.sampled_from(["", "1", "2", "3"]), st.integers(1, 3))},
    ),
    st.fixed_dictionaries({"x": st.dictionaries(st.sampled_from("abc"), st.floats(-9, 9), max_size=3)}),
)
payloads = st.one_of(
    events.map(json.dumps),
    st.lists(events, max_size=5).map(json.dumps),
    st.lists(events, max_size=3).map(lambda found: json.dumps(found, indent=1)),
    st.lists(events, min_size=1, max_size=3).map(lambda found: json.dumps(found)[:-3]),
    st.sampled_from(['{"x":{"a":1,"a":2},"y":1}', '[{"x":{"a":1},"y":1},]', '[{"x":{"b":1},"y":1}] 1', "[", "", "1"]),
)
messages = st.lists(st.tuples(payloads, st.integers(0, 2), st.booleans()), max_size=8)


def run(engine: Engine, payloads: list[tuple[str, int, bool]]) -> list[list[Effect]]:
    return [
        engine.handle(Message(i, 1.0, "events", text.encode(), packet_id, duplicate))
        for i, (text, packet_id, duplicate) in enumerate(payloads, start=1)
    ]


def same(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    return bool(one == two)


@pytest.mark.parametrize("kind", LEARNERS)
@given(messages)
@settings(max_examples=150, deadline=None)
def test_they_are_learned_and_answered_as_any_others(kind: str, stream: list[tuple[str, int, bool]]) -> None:
    plain, decoded = (Engine(LEARNERS[kind](), events_per_message_max=4, payload_bytes_max=1500) for _ in range(2))
    assert plain._plain is not None
    decoded._plain = None
    assert run(plain, stream) == run(decoded, stream)
    expected, got = decoded.state_dict(), plain.state_dict()
    assert got.keys() == expected.keys()
    assert [name for name in expected if not same(got[name], expected[name])] == []


def test_an_unusual_event_costs_the_plain_ones_around_it_nothing() -> None:
    engine = Engine(LogisticRegressor())
    array = b'[{"x":{"a":1.5},"y":1},{"x":{"a":2.5},"y":7},{"x":{"b":3.5},"y":0}]'
    for position in (1, 2):
        answer, letter = engine.handle(Message(position, 1.0, "events", array))
        assert isinstance(answer, Predictions)
        assert [part["y"] for part in json.loads(answer.payload)] == [1.0, 0.0]
        assert isinstance(letter, DeadLetter)
        assert (letter.index, letter.reason, letter.payload) == (1, "wrong_type", b'{"x":{"a":2.5},"y":7.0,"id":null}')
    assert engine.counters["events_learned"] == 4


def test_what_it_reads_points_into_no_message_of_before() -> None:
    model = LinearRegressor()
    reader = FastPath(model, DedupWindow(4), 1000, 10)
    assert reader.read(b'[{"x":{"a":1},"y":1},{"x":{"a":2},"y":2}]')
    assert reader.is_array
    assert not reader.is_done
    assert not reader.read(b'{"x":{"a":"north"},"y":1}')
    assert reader.is_done
    assert reader.read(b' {"x":{"a":2},"y":2} ')
    assert not reader.is_array
    # A new name is what the learner itself has to look at.
    answers: list[Any] = []
    reader.learn(False, Engine(model).errors, answers)
    assert (answers, reader.n_learned, reader.is_done) == ([], 0, False)
    assert reader.take_unusual() == (0, b'{"x":{"a":2},"y":2}')


def test_only_what_does_nothing_in_python_learns_so() -> None:
    class Own(Optimizer):
        def step(self, weights: Any, gradient: Any, *, lr: float) -> None:
            weights -= lr * gradient

    class Watched(LinearRegressor):
        def predict_learn_one(self, x: Any, y: Any) -> float:
            return super().predict_learn_one(x, y)

    for learner in (Watched(), LinearRegressor(optimizer=Own()), LinearRegressor(optimizer=MiniBatch(Own(), size=2))):
        assert Engine(learner)._plain is None
    assert Engine(MatrixFactorization())._plain is None
    assert Engine(LinearRegressor(), events_per_second_max=5)._plain is None
    assert Engine(LinearRegressor())._plain is not None


@pytest.mark.parametrize("n_events", [1, 3000])
def test_a_large_message_is_learned_and_leaves_no_room_behind(n_events: int) -> None:
    wide = {f"sensor{i}": 1.5 for i in range(6000 // n_events)}
    payload = json.dumps([{"x": wide, "y": 1.0}] * n_events).encode()
    assert len(payload) < 262_144
    for _ in range(2):
        engine = Engine(LinearRegressor())
        for position in (1, 2, 3):
            assert engine.handle(Message(position, 1.0, "events", payload))
        assert engine.counters["events_learned"] == 3 * n_events
