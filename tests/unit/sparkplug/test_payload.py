"""Sparkplug B payloads: every datatype means what was sent, and no bytes raise anything else."""

from __future__ import annotations

import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.errors import InvalidEventError
from edgedescent_sparkplug import SparkplugDecoder
from edgedescent_sparkplug.payload import read_payload, rebirth_request
from support.edge_node import field, metric, payload, quality, value_field

VALUES = st.one_of(
    *(
        st.tuples(st.just(datatype), st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        for datatype, bits in {1: 8, 2: 16, 3: 32, 4: 64}.items()
    ),
    *(
        st.tuples(st.just(datatype), st.integers(0, 2**bits - 1))
        for datatype, bits in {5: 8, 6: 16, 7: 32, 8: 64}.items()
    ),
    st.tuples(st.just(9), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just(10), st.floats(allow_nan=False)),
    st.tuples(st.just(11), st.booleans()),
    st.tuples(st.sampled_from([12, 14, 15]), st.text(max_size=8)),
)


def named(datatype: int, value: bytes, **more: Any) -> bytes:
    return payload([metric(name="a", datatype=datatype, value=value, **more)])


@given(VALUES)
def test_a_value_means_what_was_sent(pair: tuple[int, Any]) -> None:
    datatype, value = pair
    assert SparkplugDecoder().decode(named(datatype, value_field(datatype, value))) == {"a": value}


@pytest.mark.parametrize(
    ("datatype", "value", "expected"),
    [
        # The sign may reach to the width of the field or not.
        (1, field(10, 0xFFFFFFFF), -1),
        (1, field(10, 0xFF), -1),
        (2, field(10, 0x8000), -32768),
        # A wider field than is needed.
        (7, field(11, 2**32 - 1), 2**32 - 1),
        (13, field(11, 1_767_607_200_500), 1_767_607_200.5),
        (13, field(11, (-1500) & (2**64 - 1)), -1.5),
        (10, struct.pack("<Bf", 12 << 3 | 5, 2.5), 2.5),
    ],
)
def test_numbers_are_read_as_senders_write_them(datatype: int, value: bytes, expected: float) -> None:
    assert SparkplugDecoder().decode(named(datatype, value)) == {"a": expected}


@pytest.mark.parametrize("datatype", [16, 17, 18, 19, 20, 22, 34, 99])
def test_datasets_templates_bytes_and_arrays_are_left_out(datatype: int) -> None:
    assert SparkplugDecoder().decode(named(datatype, value_field(datatype, b"\x01\x02"))) == {}


def test_a_value_in_the_field_of_another_type_is_left_out() -> None:
    assert SparkplugDecoder().decode(named(10, field(15, b"2.5"))) == {}
    assert SparkplugDecoder().decode(named(11, field(10, 1))) == {}
    assert SparkplugDecoder().decode(named(3, b"")) == {}


def test_null_and_bad_quality_are_gaps() -> None:
    value = value_field(10, 2.5)
    assert SparkplugDecoder().decode(named(10, b"", is_null=True)) == {"a": None}
    for code, expected in ((192, 2.5), (0, None), (500, None)):
        assert SparkplugDecoder().decode(named(10, value, properties=quality(code))) == {"a": expected}
    assert math.isnan(SparkplugDecoder().decode(named(10, value_field(10, math.nan)))["a"])  # type: ignore[index]


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with suppress(InvalidEventError):
        SparkplugDecoder().decode(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x12\x05ab", "malformed"),
        (b'{"temperature": 21}', "malformed"),
        (payload([field(1, b"\xff\xfe") + field(4, 10)]), "malformed"),
        (payload([], 2**63), "out_of_range"),
        (payload([metric(name="a", at_ms=10**14)]), "out_of_range"),
        (payload([], 0, 256), "out_of_range"),
    ],
)
def test_what_is_no_payload_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        SparkplugDecoder().decode(data)
    assert caught.value.reason == reason


def test_a_request_for_births_is_the_command_of_the_specification() -> None:
    at = 1_767_607_200_000
    command = metric(name="Node Control/Rebirth", at_ms=at, datatype=11, value=value_field(11, True))
    assert rebirth_request(at) == payload([command], at)
    assert read_payload(rebirth_request(at)).metrics[0].value is True
