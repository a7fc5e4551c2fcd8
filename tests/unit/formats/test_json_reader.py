"""Learning from lines of JSON: what is read without Python objects is what a JSON decoder reads."""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, LogisticRegressor
from edgedescent.engine.messages import FeatureEvent
from edgedescent.formats._json_reader import plain_event
from edgedescent.losses import PoissonLoss
from support.exported import LEARNERS, small
from support.strategies import frozen

FEATURE_LEARNERS = [learner for learner in LEARNERS if learner.input_kind == "features"]

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(1 - 10**19, 10**19 - 1),
    st.decimals(-1000, 1000, places=3).map(float),
    st.booleans(),
)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=6)
spaces = st.text(" \t\r", max_size=2)


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


@given(st.lists(st.tuples(names, numbers), max_size=5), numbers, spaces)
def test_a_plain_event_reads_as_a_decoder_reads_it(x: list[tuple[str, Any]], y: Any, space: str) -> None:
    fields = f",{space}".join(f"{json.dumps(name)}{space}:{space}{json.dumps(value)}" for name, value in x)
    line = (
        f'{space}{{{space}"x":{{{fields}}}{space},"id":"a"{space},"y":{space}{json.dumps(y)}{space}}}{space}'.encode()
    )
    event = plain_event(line)
    assert event is not None
    assert event[1] == float(y)
    assert [(name, value) for name, value in event[0]] == [(name, float(value)) for name, value in x]


@given(st.text("0123456789+-.eE", max_size=24), st.text("0123456789", max_size=24))
def test_a_number_is_read_as_a_decoder_reads_it_or_left_to_it(text: str, digits: str) -> None:
    for number in (
        text,
        f"{digits[:9]}.{digits}",
        f"-{digits}",
        f"{digits}e-{digits[:2]}",
        f"{digits[:17]}E{digits[:3]}",
    ):
        line = f'{{"x":{{"a":{number}}},"y":1}}'.encode()
        event = plain_event(line)
        if event is not None and math.isfinite(event[0][0][1]):
            value: Any = msgspec.json.decode(line, type=FeatureEvent).x["a"]
            assert event[0] == [("a", float(value))]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '{"x":{}}',
        '{"y":1}',
        '{"x":{},"y":null}',
        '{"x":{"a":1,},"y":1}',
        '{"x":{"a":1},"y":1,}',
        '{"x":{"a":1},"y":1}}',
        '{"x":{"a":1},"y":1} 2',
        '{"x":{"a":1} "y":1}',
        '{"x":{"a" 1},"y":1}',
        '{"x":{"a":01},"y":1}',
        '{"x":{"a":1.},"y":1}',
        '{"x":{"a":.5},"y":1}',
        '{"x":{"a":+1},"y":1}',
        '{"x":{"a":-},"y":1}',
        '{"x":{"a":1e},"y":1}',
        '{"x":{"a":NaN},"y":1}',
        '{"x":{"a":trui},"y":1}',
        '{"x":{"a":null},"y":1}',
        '{"x":{"a":"b"},"y":1}',
        '{"x":{"a":{"b":1}},"y":1}',
        '{"x":{"a\\n":1},"y":1}',
        '{"x":{"ä":1},"y":1}',
        '{"x":{"a":1},"x":{"a":1},"y":1}',
        '{"x":{"a":1},"y":1,"y":2}',
        '{"x":{"a":1},"y":1,"id":7}',
        '{"x":{"a":1},"y":1,"z":7}',
        '{"x":{"a":1},"y":123456789012345678901}',
    ],
)
def test_what_is_not_plain_is_left_to_a_decoder(line: str) -> None:
    assert plain_event(line.encode()) is None
    # Nor does it read on behind the end, wherever that is.
    whole = b'{"x": {"a": 1.5, "b": true}, "y": -2e3}'
    for size in range(len(whole)):
        assert plain_event(whole[:size]) is None
    assert plain_event(whole) == ([("a", 1.5), ("b", 1.0)], -2000.0)


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
    assert [*fast.learn_lines(first), *fast.learn_lines(rest)] == expected
    assert frozen(fast) == frozen(slow)


def test_names_that_come_twice_or_in_another_order_are_the_same() -> None:
    lines = (
        b'{"x":{"a":1,"b":2},"y":1}\n{"x":{"b":3,"a":2},"y":2}\n{"x":{"b":1,"b":5},"y":4}\n\n'
        b'{"x":{"b":7,"b":8},"y":4}\n{"x":{"b":7,"a":3,"b":8},"y":5}\r\n{"x":{"a":2},"y":3}'
    )
    fast, slow = LinearRegressor(), LinearRegressor()
    assert fast.learn_lines(lines).tolist() == slowly(slow, lines)
    assert frozen(fast) == frozen(slow)


def test_listed_integers_stay_categories() -> None:
    lines = b"\n".join(b'{"x":{"hour":%d,"t":%d.5},"y":%d}' % (i % 5, i % 3, i % 5 % 2) for i in range(400))
    fast, slow = LinearRegressor(categories=("hour",)), LinearRegressor(categories=("hour",))
    assert fast.learn_lines(lines).tolist() == slowly(slow, lines)
    assert frozen(fast) == frozen(slow)


def test_a_file_can_be_learned_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(b'{"x": {"temp": %d}, "y": %d}\n' % (i % 10, 2 * (i % 10)) for i in range(3000)))
    model, other = LinearRegressor(), LinearRegressor()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as lines:
        predictions = model.learn_lines(lines)
    assert len(predictions) == model.n_events == 3000
    assert model.predict_one({"temp": 4.0}) == pytest.approx(8.0, abs=0.1)
    np.testing.assert_array_equal(other.learn_lines(memoryview(path.read_bytes())), predictions)


def test_nothing_is_no_event() -> None:
    assert LinearRegressor().learn_lines(b"").tolist() == []
    assert LinearRegressor().learn_lines(b" \n\r\n\n").tolist() == []


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"x": {"a": [1]}, "y": 1}', r"Line 3: Expected .* at `\$\.x\.a`"),
        (b'{"x": {"a": 1}', "Line 3: Input data was truncated"),
        (b"[]", "Line 3: The array holds no event"),
        (b'[{"x": {}}, {"x": {}}]', "Line 3: The message has more events than the 1"),
        (b'{"x": {}, "y": 1e101}', "Line 3: The target must lie within"),
    ],
)
def test_a_broken_line_is_named_and_those_before_it_are_learned(line: bytes, text: str) -> None:
    model = LinearRegressor()
    with pytest.raises(ValueError, match=text):
        model.learn_lines(b'{"x": {"a": 1}, "y": 1}\n\n' + line + b'\n{"x": {"a": 1}, "y": 1}')
    assert model.n_events == 1


@pytest.mark.parametrize("start", [lambda: LinearRegressor(loss=PoissonLoss()), LogisticRegressor])
def test_a_target_that_the_loss_does_not_take_is_named(start: Callable[[], Any]) -> None:
    model = start()
    with pytest.raises(ValueError, match="Line 2: The target of a"):
        model.learn_lines(b'{"x": {"a": 1}, "y": 1}\n{"x": {"a": 1}, "y": -1}')
    assert model.n_events == 1
