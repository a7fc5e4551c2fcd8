from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgedescent.errors import StateError
from edgedescent.state import codec

STATE: dict[str, Any] = {
    "weights": np.array([[1.5, -2.0], [np.nan, np.inf]]),
    "counts": np.array([1, -(2**63)], dtype=np.int64),
    "hashes": np.array([2**64 - 1], dtype=np.uint64),
    "nothing": np.zeros(0),
    "no rows": np.zeros((0, 3)),
    "names": ["a", "", "µ\0"],
    "no names": [],
}


def same(one: dict[str, Any], two: dict[str, Any]) -> bool:
    return list(one) == list(two) and all(
        a == two[k] if isinstance(a, list) else (a.dtype, a.shape, a.tobytes()) == _parts(two[k])
        for k, a in one.items()
    )


def _parts(array: Any) -> tuple[Any, ...]:
    return array.dtype, array.shape, array.tobytes()


def test_every_bit_comes_back() -> None:
    assert same(codec.decode(codec.encode(STATE)), STATE)
    assert codec.decode(codec.encode({})) == {}


arrays = hnp.arrays(st.sampled_from(["<f8", "<i8", "<u8"]), hnp.array_shapes(min_dims=1, max_dims=3, min_side=0))


@given(st.dictionaries(st.text(max_size=5), arrays | st.lists(st.text(max_size=5), max_size=5), max_size=5))
def test_every_state_comes_back(state: dict[str, Any]) -> None:
    assert same(codec.decode(codec.encode(state)), state)


def test_the_same_state_has_the_same_bytes() -> None:
    assert codec.encode(STATE) == codec.encode({k: v.copy() for k, v in STATE.items()})


def test_what_is_read_back_can_be_changed() -> None:
    decoded = codec.decode(codec.encode({"w": np.zeros(2)}))
    decoded["w"][0] = 1.0


def test_arrays_in_any_layout_are_written() -> None:
    array = np.arange(12.0).reshape(3, 4)
    state = {"t": array.T, "s": array[:, ::2], "big": array.astype(">f8")}
    decoded = codec.decode(codec.encode(state))
    assert all(np.array_equal(decoded[name], state[name]) for name in state)


def test_every_flipped_byte_is_noticed() -> None:
    data = codec.encode(STATE)
    for i in range(len(data)):
        damaged = bytearray(data)
        damaged[i] ^= 1 << (i % 8)
        with pytest.raises(StateError, match="its checksum does not match"):
            codec.decode(bytes(damaged))


def test_every_truncation_and_every_addition_is_noticed() -> None:
    data = codec.encode(STATE)
    for length in range(len(data)):
        with pytest.raises(StateError, match="its checksum does not match"):
            codec.decode(data[:length])
    with pytest.raises(StateError, match="its checksum does not match"):
        codec.decode(data + b"\0")


@pytest.mark.parametrize("data", [None, "EDC1", 5])
def test_what_are_no_bytes_is_refused(data: Any) -> None:
    with pytest.raises(StateError, match="The checkpoint is damaged"):
        codec.decode(data)


def test_another_format_is_refused() -> None:
    with pytest.raises(StateError):
        codec.decode(b"EDC2" + codec.encode(STATE)[4:])


@pytest.mark.parametrize("schema", [1, codec.SCHEMA + 1])
def test_another_schema_is_refused(schema: int) -> None:
    header = msgspec.msgpack.encode([schema, []])
    body = len(header).to_bytes(8, "little") + header
    with pytest.raises(StateError, match=rf"schema version {schema}; this version reads {codec.SCHEMA}\.$") as caught:
        codec.decode(codec.MAGIC + hashlib.sha256(body).digest() + body)
    assert "Run the version" in caught.value.hint


@pytest.mark.parametrize("dtype", ["float16", "int32", "bool", "complex128", "object", "<U3", "datetime64[s]"])
def test_a_type_that_no_state_has_is_refused(dtype: str) -> None:
    with pytest.raises(TypeError, match="The state 'w' is of type"):
        codec.encode({"w": np.zeros(2, dtype=dtype)})


@pytest.mark.parametrize("names", [[1], ["a", None], [b"a"]])
def test_a_list_of_anything_but_names_is_refused(names: Any) -> None:
    with pytest.raises(TypeError, match="The state 'w' is a list that holds values other than strings"):
        codec.encode({"w": names})
