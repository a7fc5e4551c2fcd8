"""The parser of simple events: what it reads is what a complete JSON decoder reads."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.formats import FeatureEvent
from edgedescent.formats._json_parser import parse_event

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(1 - 10**19, 10**19 - 1),
    st.decimals(-1000, 1000, places=3).map(float),
    st.booleans(),
)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=6)
spaces = st.text(" \t\r", max_size=2)


@given(st.lists(st.tuples(names, numbers), max_size=5), st.none() | numbers, spaces)
def test_a_simple_event_is_parsed_as_a_decoder_reads_it(x: list[tuple[str, Any]], y: Any, space: str) -> None:
    fields = f",{space}".join(f"{json.dumps(name)}{space}:{space}{json.dumps(value)}" for name, value in x)
    target = "" if y is None else f',"y":{space}{json.dumps(y)}{space}'
    line = f'{space}{{{space}"x":{{{fields}}}{space},"id":"a"{space}{target}}}{space}'.encode()
    event = parse_event(line)
    assert event is not None
    assert event[1] == (None if y is None else float(y))
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
        event = parse_event(line)
        if event is not None and math.isfinite(event[0][0][1]):
            value: Any = msgspec.json.decode(line, type=FeatureEvent).x["a"]
            assert event[0] == [("a", float(value))]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
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
def test_what_is_not_simple_is_left_to_a_decoder(line: str) -> None:
    assert parse_event(line.encode()) is None
    # Nor does it read on behind the end, wherever that is.
    whole = b'{"x": {"a": 1.5, "b": true}, "y": -2e3}'
    for size in range(len(whole)):
        assert parse_event(whole[:size]) is None
    assert parse_event(whole) == ([("a", 1.5), ("b", 1.0)], -2000.0)
