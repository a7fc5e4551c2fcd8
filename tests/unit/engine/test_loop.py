"""The learning loop: raw events and events as objects give the same answers, counters and state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MatrixFactorization, MLPRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions
from edgedescent.formats import JsonFormat, Piece
from edgedescent.losses import SquaredLoss
from edgedescent.optim import Optimizer


class Descent(Optimizer):
    """Written in Python, and refuses large gradients."""

    def step(self, weights: Any, gradient: Any, *, lr: float) -> None:
        if abs(gradient).max() > 2.0:
            raise ValueError("The gradient is too large.")
        weights -= lr * gradient


class WithoutReader(JsonFormat):
    """JSON whose events all become objects."""

    def reader(self) -> None:
        return None


class Watched(JsonFormat):
    """JSON that keeps what had to become an object."""

    def __init__(self, *args: Any, **limits: Any) -> None:
        super().__init__(*args, **limits)
        self.decoded: list[bytes] = []

    def decode(self, payload: bytes) -> Iterable[Piece]:
        self.decoded.append(payload)
        return super().decode(payload)

    def decode_one(self, text: Any) -> Any:
        self.decoded.append(text)
        return super().decode_one(text)


def decoded(engine: Engine, payload: bytes) -> list[bytes]:
    """What of a message became an object."""
    assert isinstance(engine.format, Watched)
    engine.format.decoded.clear()
    engine.handle(Message(engine.position + 1, 1.0, "events", payload))
    return engine.format.decoded


LEARNERS: dict[str, Callable[[], Any]] = {
    "linear": LinearRegressor,
    "machine": lambda: FactorizationMachine(n_factors=3, features_max=4, categories=["site"]),
    "network": lambda: MLPRegressor(hidden=(4,), replay_size=8),
    "few": lambda: LinearRegressor(features_max=2),
    "sharing": lambda: LinearRegressor(features_max=2, when_full="share"),
    "logistic": LogisticRegressor,
    "python": lambda: LinearRegressor(optimizer=Descent(), loss=SquaredLoss()),
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
    st.sampled_from(['{"x":{"a":1,"a":2},"y":1}', '{"id":"1","x":{"a":1,"b":3,"a":2},"y":1}']),
    st.sampled_from(['{"id":"1","x":{"a":2,"b":3},"y":1}', '{"id":"1","x":{"a":2,"b":3,"c":null},"y":true}']),
    st.sampled_from(['[{"x":{"a":1},"y":1},]', '[{"x":{"b":1},"y":1}] 1', "[", "", "1"]),
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
def test_raw_events_are_learned_and_answered_like_objects(kind: str, stream: list[tuple[str, int, bool]]) -> None:
    raw, objects = (
        Engine(LEARNERS[kind](), payload_format=each, events_per_message_max=4, payload_bytes_max=1500)
        for each in (JsonFormat, WithoutReader)
    )
    assert run(raw, stream) == run(objects, stream)
    assert raw.metrics() == objects.metrics()
    expected, got = objects.state_dict(), raw.state_dict()
    assert got.keys() == expected.keys()
    # Counters come in the order in which they first counted.
    names = [name for name in expected if name not in ("counters", "counter_names")]
    assert [name for name in names if not same(got[name], expected[name])] == []


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


def test_an_event_that_cannot_be_used_is_kept_as_it_came() -> None:
    engine = Engine(LinearRegressor())
    engine.handle(Message(1, 1.0, "events", b'{"x":{"a":1},"y":1}'))
    answer, letter = engine.handle(Message(2, 1.0, "events", b'[{"x":{"a":1},"y":1}, { "x":{"a":1e999},"y":1}]'))
    assert isinstance(answer, Predictions)
    assert isinstance(letter, DeadLetter)
    assert (letter.index, letter.reason, letter.payload) == (1, "out_of_range", b'{ "x":{"a":1e999},"y":1}')


def test_only_events_with_something_new_become_objects() -> None:
    engine = Engine(LinearRegressor(), payload_format=Watched)
    known, new = b'{"x":{"a":1.5},"y":1}', b'{"x":{"b":2},"y":2}'
    assert decoded(engine, known) == [known]
    assert decoded(engine, known) == []
    assert decoded(engine, b"[" + known + b"," + new + b", " + known + b"]") == [new]
    # What was read before is forgotten when a message is left to the format.
    assert decoded(engine, b'{"x":{"a":"north"},"y":1}')[0] == b'{"x":{"a":"north"},"y":1}'
    assert decoded(engine, known) == []
    assert engine.counters["events_learned"] == 7


def test_what_overrides_learning_gets_objects() -> None:
    class Own(LinearRegressor):
        def predict_learn_one(self, x: Any, y: Any) -> float:
            return super().predict_learn_one(x, y)

    event = b'{"x":{"a":1.5},"y":1}'
    engine = Engine(Own(), payload_format=Watched)
    assert len(decoded(engine, event)) == len(decoded(engine, event)) > 0
    rating = b'{"user":"ann","item":"tea","y":1}'
    ranker = Engine(MatrixFactorization(), payload_format=Watched)
    assert len(decoded(ranker, rating)) == len(decoded(ranker, rating)) > 0
    python = Engine(LinearRegressor(optimizer=Descent()), payload_format=Watched)
    assert len(decoded(python, event)) == 1
    assert decoded(python, event) == []


def test_an_optimizer_in_python_may_refuse_a_raw_event() -> None:
    engine = Engine(LinearRegressor(optimizer=Descent(), loss=SquaredLoss()))
    for position, y in enumerate([1.0, 2.0, 1.5, 1.2, 900.0], start=1):
        *_, effect = engine.handle(Message(position, 1.0, "events", b'{"x":{"a":1.5},"y":%r}' % y))
    assert isinstance(effect, DeadLetter)
    assert (effect.reason, effect.error) == ("wrong_type", "The gradient is too large.")
    assert engine.counters["events_learned"] == 4


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
