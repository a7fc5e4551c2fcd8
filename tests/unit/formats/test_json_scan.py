from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from edgedescent.formats._json_scan import has_more_than

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["[", "]", "\\", '\\"', ",", '"']),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(JSON), st.integers(1, 10), st.sampled_from([None, 1]), st.binary())
def test_it_counts_as_a_decoder_does(array: list[object], count: int, indent: int | None, behind: bytes) -> None:
    text = json.dumps(array, ensure_ascii=False, indent=indent).encode()
    assert has_more_than(text + behind, count) == (len(array) > count)


def elements(value: object) -> int:
    """All that stands in a value, itself included; an empty list or object counts as its contents would."""
    if isinstance(value, (list, dict)):
        inner = [*(value.values() if isinstance(value, dict) else value)]
        return 1 + max(sum(map(elements, inner)), 1)
    return 1


@given(st.lists(JSON), st.integers(1, 30))
def test_it_counts_what_stands_anywhere(array: list[object], count: int) -> None:
    text = json.dumps(array, ensure_ascii=False).encode()
    assert has_more_than(text, count, anywhere=True) == (elements(array) > count)


def test_it_leaves_what_no_decoder_reaches() -> None:
    deep = b"[" * 100_000
    assert not has_more_than(deep, 2000, anywhere=True)
    assert has_more_than(deep, 500, anywhere=True)


@given(st.binary(), st.integers(0, 10))
def test_it_bears_anything(text: bytes, count: int) -> None:
    assert has_more_than(text, count) in (True, False)


def test_it_stops_at_the_first_one_too_many() -> None:
    assert has_more_than(b"[0,1,2", 2)
    assert not has_more_than(b"[0,1,2", 3)
    assert not has_more_than(b"", 0)
