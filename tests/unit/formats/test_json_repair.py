"""Messages that no JSON decoder takes: what senders write beyond JSON is read, a broken event costs itself alone."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.formats import FeatureEvent, Piece
from edgedescent.formats._json_scan import with_nulls
from edgedescent.formats.json import JsonFormat
from edgedescent.formats.json_repair import split_array

GOOD = b'{"x": {"a": 1}, "y": 1}'
BROKEN = [
    b'{"x": {"a": +1}, "y": 2}',
    b'{"x": {"a": .5}, "y": 2}',
    b'{"x": {"a": 01}, "y": 2}',
    b'{"x": {"a\x01": 1}, "y": 2}',
    b'{"x": {"a\nb": 1}, "y": 2}',
    rb'{"x": {"\ud800": 1}, "y": 2}',
    b'{"x": {"a": 0x10}, "y": 2}',
    b"{'x': {'a': 1}, 'y': 2}",
    b'{"x": {"a: 1}, "y": 2}',
    b'{"x": {"a": 1}, "y: 2}',
    b'{"x": {"a": 1}, "y": "2}',
    b'{"x": {"a": 1, "y": 2}',
    b'{"x": {"a": 1}, "y": 2',
    b'{"x": {"a": 1}}, "y": 2}',
    b'{"x": {"a": [1}, "y": 2}',
    b'{"x" {"a": 1} "y": 2}',
    b'{"x": {"a": "\xff"}, "y": 2}',
    b"oops",
    b'{"x": {}, "y": 2, "q": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
]


def decode(payload: bytes, many: int = 1000) -> tuple[list[Any], list[tuple[int, str]]]:
    """Labels of the events, and places and reasons of the rejected ones."""
    pieces: list[Piece] = [*JsonFormat("features", payload_bytes_max=10**7, events_per_message_max=many).read(payload)]
    events = [(index, event.y) for piece in pieces for index, event in piece.events]
    rejected = [fault for piece in pieces for fault in piece.rejected]
    return events, [(fault.place, fault.error.reason) for fault in rejected]


@pytest.mark.parametrize("separator", [b",", b" ,\n", b"\n"])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_event_costs_itself_alone(broken: bytes, separator: bytes) -> None:
    if separator == b"\n" and b"\n" in broken:
        pytest.skip("it is two lines, each of them broken")
    parts = [GOOD, GOOD, broken, GOOD, GOOD]
    text = separator.join(parts)
    events, rejected = decode(text if separator == b"\n" else b"[" + text + b"]")
    assert [y for _, y in events] == [1.0] * 4
    assert len(rejected) == 1
    assert {reason for _, reason in rejected} <= {"malformed", "too_deep", "wrong_type"}
    assert rejected[0][0] == 2


@pytest.mark.parametrize("broken", BROKEN)
def test_the_last_event_may_be_broken_too(broken: bytes) -> None:
    events, rejected = decode(b"[" + GOOD + b"," + broken + b"]")
    assert (events, len(rejected) > 0) == ([(0, 1.0)], True)


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "+Infinity", "nan", "-nan", "inf", "-inf", "+Inf", "NAN", "INF"]
)
def test_a_number_that_is_not_finite_counts_as_missing(word: str) -> None:
    text = f'{{"x": {{"a": {word}, "NaN": "NaN:Infinity,", "b":{word}, "c": 1}}, "y":{word} }}'.encode()
    pieces = [*JsonFormat("features", payload_bytes_max=1000, events_per_message_max=9).read(text)]
    event = FeatureEvent({"a": None, "NaN": "NaN:Infinity,", "b": None, "c": 1.0})
    assert [piece.events for piece in pieces] == [[(0, event)]]
    assert decode(b"[" + GOOD + b"," + text + b"," + GOOD + b"]") == ([(0, 1.0), (1, None), (2, 1.0)], [])


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", b" "])
@pytest.mark.parametrize("behind", [b"", b"\0", b"\n\0\0", b"\r\n"])
@pytest.mark.parametrize("array", [True, False])
def test_byte_order_marks_and_trailing_nuls_are_skipped(before: bytes, behind: bytes, array: bool) -> None:
    assert decode(before + (b"[" + GOOD + b"]" if array else GOOD) + behind) == ([(0, 1.0)], [])


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \n"])
def test_json_lines_are_an_array(end: bytes) -> None:
    lines = [b'{"x": {"a": %d}, "y": %d}' % (i, i) for i in range(5)]
    pieces = [*JsonFormat("features", payload_bytes_max=1000, events_per_message_max=5).read(end.join([*lines, b""]))]
    assert all(piece.is_array for piece in pieces)
    assert [(index, event.y) for piece in pieces for index, event in piece.events] == [(i, i) for i in range(5)]
    assert decode(end.join(lines), many=4) == ([], [(0, "too_many_events")])


def test_an_event_that_is_laid_out_over_lines_is_one() -> None:
    text = json.dumps({"x": {"a": {"b": 1}}, "y": 1.0}, indent=1).encode()
    assert decode(text) == ([(0, 1.0)], [])
    assert decode(text.replace(b"1.0", b"oops")) == ([], [(0, "malformed")])


def test_what_stands_behind_an_array_costs_no_event() -> None:
    for behind in (b"]", b"}", b"x", b",", b"[]"):
        assert decode(b"[" + GOOD + b"," + GOOD + b"]" + behind) == ([(0, 1.0), (1, 1.0)], [(2, "malformed")])
    assert decode(b"[" + GOOD + b",]") == ([(0, 1.0)], [])
    assert decode(b"[" + GOOD + b",," + GOOD + b"]") == ([(0, 1.0), (2, 1.0)], [(1, "malformed")])


def test_too_many_events_are_refused_whole_where_one_is_broken() -> None:
    assert decode(b"[" + b",".join([b'{"x": {"a: 1}}', *[GOOD] * 5]) + b"]", many=5) == ([], [(0, "too_many_events")])


@given(
    st.lists(st.sampled_from([GOOD, *BROKEN[:-1]]), min_size=1, max_size=12).filter(lambda parts: GOOD in parts),
    st.sampled_from([b",", b", ", b"\n,"]),
)
def test_good_events_are_never_lost_among_broken_ones(parts: list[bytes], comma: bytes) -> None:
    # Between two broken events nothing tells where one ends: only what is surrounded by good ones is certain.
    spaced = [part for one in parts for part in (GOOD, one)] + [GOOD]
    events, rejected = decode(b"[" + comma.join(spaced) + b"]")
    assert [y for _, y in events] == [1.0] * spaced.count(GOOD)
    places = [index for index, _ in (*events, *rejected)]
    assert sorted(places) == [*range(len(places))]


@given(st.binary(max_size=200), st.integers(1, 5))
def test_any_bytes_are_split_into_parts_in_order(text: bytes, many: int) -> None:
    for broken in (True, False):
        extents, end = split_array(b"[" + text, lambda _, broken=broken: broken, many)
        at = 1
        for start, stop in extents:
            assert at <= start <= stop <= len(text) + 1
            at = stop
        assert len(extents) <= many + 1
        assert end is None or at <= end <= len(text) + 1


@pytest.mark.parametrize(
    "part",
    [
        b'{"x":{"a:1},"y":1}',
        b'{"x":{"a":[[1,"y":1}',
        b'{"x":1}}',
        b"{",
        b'{"',
        b"},{",
        b'},{"x":',
        b'"',
        b'{"x":{"a":1}, "',
    ],
)
def test_damage_takes_time_in_proportion_to_the_message(part: bytes) -> None:
    def took_s(count: int) -> float:
        text = b"[" + b",".join([part] * count) + b"]"
        start = time.process_time()
        decode(text, many=10_000)
        return time.process_time() - start

    # Were it the square, it would take minutes. This only guards against a hang.
    assert took_s(min(9_999, 1_000_000 // len(part))) < 20


@given(
    st.recursive(st.none() | st.text() | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_json_with_numbers_that_are_not_finite_becomes_json(document: Any) -> None:
    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [without(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    for ascii_only in (True, False):
        text = json.dumps(document, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        found = with_nulls(text)
        assert json.loads(text if found is None else found) == without(document)
        assert (found is None) == (without(document) == document)
