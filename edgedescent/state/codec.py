"""Binary encoding of a state of named arrays, with a checksum: the content of a checkpoint.

Layout: the magic ``EDC1``, the SHA-256 of all that follows, the header's length (8 bytes, little-endian), the header
(MessagePack: schema version and, for each entry, name, kind, dtype, shape and length), then the entries' bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np

from edgedescent.errors import StateError

MAGIC = b"EDC1"
SCHEMA = 3
_DTYPES = ("<f8", "<i8", "<u8", "|u1")


class _Entry(msgspec.Struct, array_like=True):
    """Header entry that describes one named array or list."""

    name: str
    dtype: str
    """NumPy type, or ``names`` for a list of strings."""
    shape: list[int]
    length: int


class _Header(msgspec.Struct, array_like=True):
    """Header of an encoded state."""

    schema: int
    entries: list[_Entry]


def encode(state: dict[str, Any]) -> bytes:
    """Encode a state of arrays and lists of strings as bytes.

    Args:
        state: NumPy arrays or lists of strings, by name.

    Returns:
        The encoded state, which `decode` reads.

    Raises:
        TypeError: If a list holds anything but strings, or an array has a type that a checkpoint does not support.

    Example:
        >>> decode(encode({"w": np.array([1.0, 2.0]), "features": ["a", "b"]}))
        {'w': array([1., 2.]), 'features': ['a', 'b']}
    """
    entries, parts = [], []
    for name, value in state.items():
        if isinstance(value, list):
            if not all(isinstance(item, str) for item in value):
                raise TypeError(f"The state {name!r} is a list that holds values other than strings.")
            part = msgspec.msgpack.encode(value)
            entries.append(_Entry(name, "names", [len(value)], len(part)))
        else:
            array = np.ascontiguousarray(value)
            dtype = array.dtype.newbyteorder("<").str
            if dtype not in _DTYPES:
                raise TypeError(f"The state {name!r} is of type {array.dtype}; a checkpoint supports {_DTYPES}.")
            part = array.astype(dtype, copy=False).tobytes()
            entries.append(_Entry(name, dtype, list(array.shape), len(part)))
        parts.append(part)
    header = msgspec.msgpack.encode(_Header(SCHEMA, entries))
    body = b"".join([len(header).to_bytes(8, "little"), header, *parts])
    return MAGIC + hashlib.sha256(body).digest() + body


def decode(data: bytes) -> dict[str, Any]:
    """Decode a state that `encode` wrote.

    Args:
        data: The encoded state.

    Returns:
        The arrays and lists by name.

    Raises:
        StateError: If the checksum does not match, or the schema version is another.
    """
    if not isinstance(data, bytes):
        # A damaged cell of the state file may hold a value of another type.
        raise StateError("The checkpoint is damaged: it is not a blob.")
    body = memoryview(data)[36:]
    if data[:4] != MAGIC or hashlib.sha256(body).digest() != data[4:36]:
        raise StateError("The checkpoint is damaged: its checksum does not match.")
    start = 8 + int.from_bytes(body[:8], "little")
    header = msgspec.msgpack.decode(body[8:start], type=_Header)
    if header.schema != SCHEMA:
        raise StateError(
            f"The checkpoint has schema version {header.schema}; this version reads {SCHEMA}.",
            "Run the version of EdgeDescent that wrote it.",
        )
    state: dict[str, Any] = {}
    for entry in header.entries:
        part = body[start : start + entry.length]
        start += entry.length
        if entry.dtype == "names":
            state[entry.name] = msgspec.msgpack.decode(part, type=list[str])
        else:
            array = np.frombuffer(part, dtype=entry.dtype).reshape(entry.shape)
            state[entry.name] = array.astype(array.dtype.newbyteorder("="))
    return state
