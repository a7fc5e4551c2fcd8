"""Learning from lines of JSON: the same as learning their events one by one."""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, LogisticRegressor, MatrixFactorization, learn_lines
from edgedescent.formats import FeatureEvent
from edgedescent.losses import PoissonLoss
from edgedescent.testing.support import bits
from support.exported import LEARNERS, small

FEATURE_LEARNERS = [learner for learner in LEARNERS if learner.input_kind == "features"]

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(1 - 10**19, 10**19 - 1),
    st.decimals(-1000, 1000, places=3).map(float),
    st.booleans(),
)


def slowly(model: Any, text: bytes) -> list[float]:
    """The same by msgspec and `predict_learn_one`."""
    decode = msgspec.json.Decoder(FeatureEvent).decode
    predictions = []
    for line in text.split(b"\n"):
        if line.strip():
            event = decode(line)
            predictions.append(
                model.predict_one(event.x) if event.y is None else model.predict_learn_one(event.x, event.y)
            )
    return predictions


events = st.fixed_dictionaries(
    {"x": st.dictionaries(st.sampled_from(["a", "b", "c", "d", "é", "site=n"]), numbers | st.none(), max_size=4)},
    optional={"y": st.floats(-100, 100) | st.none(), "id": st.integers(0, 9) | st.sampled_from(["i", "j"])},
)


@given(st.lists(events, max_size=30), st.data())
@pytest.mark.parametrize("learner", FEATURE_LEARNERS)
def test_lines_are_learned_as_their_events_are(learner: Any, stream: list[dict[str, Any]], data: st.DataObject) -> None:
    fast, slow = small(learner, features_max=3), small(learner, features_max=3)
    if learner is LogisticRegressor:
        stream = [{**event, "y": float((event.get("y") or 0.0) > 0.0)} for event in stream]
    text = b"\n".join(json.dumps(event).encode() for event in stream)
    cut = data.draw(st.integers(0, len(stream)))
    first = b"\n".join(json.dumps(event).encode() for event in stream[:cut])
    rest = b"\n".join(json.dumps(event).encode() for event in stream[cut:])
    expected = slowly(slow, text)
    assert [*learn_lines(fast, first), *learn_lines(fast, rest)] == expected
    assert bits(fast) == bits(slow)


def test_names_that_come_twice_or_in_another_order_are_the_same() -> None:
    lines = (
        b'{"x":{"a":1,"b":2},"y":1}\n{"x":{"b":3,"a":2},"y":2}\n{"x":{"b":1,"b":5},"y":4}\n\n'
        b'{"x":{"b":7,"b":8},"y":4}\n{"x":{"b":7,"a":3,"b":8},"y":5}\r\n{"x":{"a":2},"y":3}'
    )
    fast, slow = LinearRegressor(), LinearRegressor()
    assert learn_lines(fast, lines).tolist() == slowly(slow, lines)
    assert bits(fast) == bits(slow)


def test_listed_integers_stay_categories() -> None:
    lines = b"\n".join(b'{"x":{"hour":%d,"t":%d.5},"y":%d}' % (i % 5, i % 3, i % 5 % 2) for i in range(400))
    fast, slow = LinearRegressor(categories=("hour",)), LinearRegressor(categories=("hour",))
    assert learn_lines(fast, lines).tolist() == slowly(slow, lines)
    assert bits(fast) == bits(slow)


def test_a_file_can_be_learned_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(b'{"x": {"temp": %d}, "y": %d}\n' % (i % 10, 2 * (i % 10)) for i in range(3000)))
    model, other = LinearRegressor(), LinearRegressor()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        predictions = learn_lines(model, lines)
    assert len(predictions) == model.n_events == 3000
    assert model.predict_one({"temp": 4.0}) == pytest.approx(8.0, abs=0.1)
    np.testing.assert_array_equal(learn_lines(other, memoryview(path.read_bytes())), predictions)


def test_nothing_is_no_event() -> None:
    assert learn_lines(LinearRegressor(), b"").tolist() == []
    assert learn_lines(LinearRegressor(), b" \n\r\n\n").tolist() == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"x": {"a": 1e999}, "y": 1}', r"Line 3: Number out of range .* at `\$\.x\.a`"),
        (b'{"x": {"a": 1}', "Line 3: Input data was truncated"),
        (b"[]", "Line 3: The array holds no event"),
        (b'[{"x": {}}, {"x": {}}]', "Line 3: The message has more events than the 1"),
        (b'{"x": {}, "y": 1e101}', "Line 3: The target must lie within"),
    ],
)
def test_a_broken_line_is_named_and_those_before_it_are_learned(line: bytes, text: str) -> None:
    model = LinearRegressor()
    with pytest.raises(ValueError, match=text):
        learn_lines(model, b'{"x": {"a": 1}, "y": 1}\n\n' + line + b'\n{"x": {"a": 1}, "y": 1}')
    assert model.n_events == 1


@pytest.mark.parametrize("start", [lambda: LinearRegressor(loss=PoissonLoss()), LogisticRegressor])
def test_a_target_that_the_loss_does_not_take_is_named(start: Callable[[], Any]) -> None:
    model = start()
    with pytest.raises(ValueError, match="Line 2: The target of a"):
        learn_lines(model, b'{"x": {"a": 1}, "y": 1}\n{"x": {"a": 1}, "y": -1}')
    assert model.n_events == 1


def test_learners_written_in_python_learn_lines_too() -> None:
    class Doubled(LinearRegressor):
        def predict_learn_one(self, x: Any, y: Any) -> float:
            return super().predict_learn_one(x, 2.0 * y)

    text = b'{"x": {"a": 1}, "y": 1}\n{"x": {"a": 1}}\n{"x": {"a": 1}, "y": 3}'
    assert learn_lines(Doubled(), text).tolist() == [0.0, 2.0, 2.0]


def test_ratings_are_learned_from_lines() -> None:
    one, other = MatrixFactorization(), MatrixFactorization()
    ratings = [("ann", "tea", 5.0), ("bob", "tea", 3.0), ("ann", "milk", 1.0)]
    text = "\n".join(json.dumps({"user": user, "item": item, "y": y}) for user, item, y in ratings)
    assert learn_lines(one, text.encode()).tolist() == [other.predict_learn_one(*rating) for rating in ratings]
    assert bits(one) == bits(other)
