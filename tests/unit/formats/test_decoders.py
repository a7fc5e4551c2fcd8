"""Decoders of inputs: values from bytes, and one reason for everything else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.assembly.decoders import build_decoder
from edgedescent.errors import ConfigError, InvalidEventError
from edgedescent.formats import DECODERS

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_come_out_as_they_went_in(value: Any) -> None:
    assert DECODERS["msgpack"]().decode(msgspec.msgpack.encode(value)) == value
    assert DECODERS["cbor"]().decode(cbor2.dumps(value)) == value
    text = json.dumps(value, allow_nan=False) if "Infinity" not in json.dumps(value) else "0"
    assert DECODERS["json"]().decode(text.encode()) == json.loads(text)


@given(st.sampled_from(DECODERS.built_in), st.binary(max_size=40))
def test_no_bytes_raise_anything_else(name: str, payload: bytes) -> None:
    with suppress(InvalidEventError):
        DECODERS[name]().decode(payload)


@pytest.mark.parametrize("name", ["json", "msgpack", "cbor"])
def test_nesting_without_end_is_too_deep(name: str) -> None:
    payload = {"json": b"[" * 100_000, "msgpack": b"\x91" * 100_000, "cbor": b"\x81" * 100_000}[name]
    with pytest.raises(InvalidEventError) as caught:
        DECODERS[name]().decode(payload)
    assert caught.value.reason in ("too_deep", "malformed")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"1,2.5", {"a": "1", "b": "2.5"}),
        (b'\xef\xbb\xbf"x, y",2\r\n', {"a": "x, y", "b": "2"}),
        (b"1", "CSV is malformed: expected 2 values, got 1 in '1'."),
        (b"1,2\n3,4", "CSV is malformed: expected one line."),
        (b'"1,2', "CSV is malformed: unexpected end of data"),
        (b"\xff,2", "CSV is malformed: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_line_of_csv_has_the_columns(payload: bytes, expected: Any) -> None:
    decoder = build_decoder({"type": "csv", "columns": ["a", "b"]}, "inputs.x.format")
    if isinstance(expected, dict):
        assert decoder.decode(payload) == expected
    else:
        with pytest.raises(InvalidEventError) as caught:
            decoder.decode(payload)
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("jsn", f"`inputs.x.format` is 'jsn': expected one of {', '.join(DECODERS)}."),
        ({"type": "xml"}, f"`inputs.x.format.type` is 'xml': expected one of {', '.join(DECODERS)}."),
        (
            {"type": "csv", "delimiter": "--"},
            "`inputs.x.format`: The `delimiter` of CsvDecoder must be one character. Got '--'.",
        ),
        (
            {"type": "csv", "columns": ["a", "a"]},
            "`inputs.x.format`: The `columns` of CsvDecoder must be different. Got ['a', 'a'].",
        ),
    ],
)
def test_a_wrong_decoder_is_named(table: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_decoder(table, "inputs.x.format")
    assert str(caught.value) == message
