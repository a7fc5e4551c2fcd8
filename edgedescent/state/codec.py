"""Binary encoding of a state of named arrays, with a checksum: the content of a checkpoint.

Layout: the magic ``EDC1``, the SHA-256 of all that follows (and, in a checkpoint, of its position), the header's length
(8 bytes, little-endian), the header (MessagePack: schema version and, for each entry, name, kind, dtype, shape and
length), then the entries' bytes. The bytes of a large state begin in parts, which are stored elsewhere under successive
numbers; the header then says which.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from edgedescent.errors import StateError

MAGIC = b"EDC1"
SCHEMA = 3
_BODY = 36
"""Offset from which on the SHA-256 covers the bytes."""
_DTYPES = ("<f8", "<f4", "<i8", "<u8", "|u1")


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
    parts: tuple[int, int] = (0, 0)
    """Number of the first part, and number of parts."""


class Encoding:
    """Encoding of a state in pieces, so that a large one need not be written at once.

    Take the parts first, in order, then the root, which is the encoded state without them.

    Args:
        state: NumPy arrays or lists of strings, by name. The arrays must stay as they are until the root was taken.
        piece_bytes: Size of a part. The rest, which is not larger, belongs to the root; None for no parts.
        first_part: Number under which the first part will be stored; the others follow.
        position: Position that the checksum covers too, so that the state is never taken for that of another one.

    Attributes:
        n_parts: Number of parts.
        size: Size of the encoded state in bytes, with its parts.

    Raises:
        TypeError: If a list holds anything but strings, or an array has a type that a checkpoint does not support.
    """

    def __init__(
        self, state: dict[str, Any], piece_bytes: int | None = None, first_part: int = 0, position: int | None = None
    ) -> None:
        entries, contents = [], deque[memoryview]()
        for name, value in state.items():
            entry, content = _encoded(name, value)
            entries.append(entry)
            contents.append(content)
        total = sum(entry.length for entry in entries)
        self._contents = contents
        self._piece_bytes = piece_bytes or total
        self.n_parts = 0 if total <= self._piece_bytes else -(-total // self._piece_bytes) - 1
        header = msgspec.msgpack.encode(_Header(SCHEMA, entries, (first_part, self.n_parts)))
        self._head = len(header).to_bytes(8, "little") + header
        self._hash = _hash_for(position)
        self._hash.update(self._head)
        self.size: int = len(MAGIC) + self._hash.digest_size + len(self._head) + total

    def parts(self) -> Iterator[bytes]:
        """Yield the parts, which are made only now."""
        for _ in range(self.n_parts):
            yield self._take()

    def root(self) -> bytes:
        """Return the encoded state without the parts, all of which were taken before."""
        tail = self._take()
        return b"".join([MAGIC, self._hash.digest(), self._head, tail])

    def _take(self) -> bytes:
        """Take the next bytes, as many as a piece has."""
        pieces, missing = list[memoryview](), self._piece_bytes
        while missing and self._contents:
            content = self._contents.popleft()
            pieces.append(content[:missing])
            if len(content) > missing:
                self._contents.appendleft(content[missing:])
            missing -= len(pieces[-1])
        piece = b"".join(pieces)
        self._hash.update(piece)
        return piece


def _encoded(name: str, value: Any) -> tuple[_Entry, memoryview]:
    """Header entry and bytes of one array or list; the bytes of an array are not copied."""
    if isinstance(value, list):
        try:
            content = _encode_names(value)
        except TypeError as error:
            raise TypeError(f"The state {name!r} is a list that holds values other than strings.") from error
        return _Entry(name, "names", [len(value)], len(content)), memoryview(content)
    array = np.ascontiguousarray(value)
    dtype = array.dtype.newbyteorder("<").str
    if dtype not in _DTYPES:
        raise TypeError(f"The state {name!r} is of type {array.dtype}; a checkpoint supports {_DTYPES}.")
    array = array.astype(dtype, copy=False)
    return _Entry(name, dtype, list(array.shape), array.nbytes), array.reshape(-1).view(np.uint8).data


def _encode_names(names: list[str]) -> bytes:
    # Not one call each: a table may have a million names, and nothing else runs meanwhile.
    if not set(map(type, names)) <= {str} and not all(isinstance(name, str) for name in names):
        raise TypeError
    return msgspec.msgpack.encode(names)


def _hash_for(position: int | None) -> Any:
    """New SHA-256, of the position if there is one."""
    return hashlib.sha256(b"" if position is None else b"%d " % position)


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
    return Encoding(state).root()


ReadParts = Callable[[int, int], Iterable[bytes]]
"""Function that returns the parts of a state, given the number of the first part and how many there are."""


def _no_parts(_first: int, _count: int) -> Iterable[bytes]:
    return ()


def parts_of(root: bytes) -> range:
    """Numbers of the parts that belong to a root; none if the root is damaged."""
    try:
        first, count = _header_of(memoryview(root))[0].parts
    except StateError:
        return range(0)
    return range(first, first + count)


def decode(root: bytes, read_parts: ReadParts = _no_parts, position: int | None = None) -> dict[str, Any]:
    """Decode a state that `encode` or an `Encoding` wrote.

    Args:
        root: The encoded state, without its parts if it has any.
        read_parts: Reads the parts; called once, and only if there are parts.
        position: Position with which it was encoded.

    Returns:
        The arrays and lists by name.

    Raises:
        StateError: If the checksum does not match, or the schema version is another.
    """
    if not isinstance(root, bytes):
        # A damaged cell of the state file may hold a value of another type.
        raise StateError("The checkpoint is damaged: it is not a blob.")
    header, start = _header_of(memoryview(root))
    first, count = header.parts
    parts = [*read_parts(first, count)] if count else []
    digest = _hash_for(position)
    digest.update(memoryview(root)[_BODY:start])
    for part in parts:
        digest.update(part)
    digest.update(memoryview(root)[start:])
    if digest.digest() != root[4:_BODY]:
        raise StateError("The checkpoint is damaged: its checksum does not match.")
    if header.schema != SCHEMA:
        raise StateError(
            f"The checkpoint has schema version {header.schema}; this version reads {SCHEMA}.",
            "Run the version of EdgeDescent that wrote it.",
        )
    body = memoryview(b"".join([*parts, root[start:]]))
    state: dict[str, Any] = {}
    at = 0
    for entry in header.entries:
        content = body[at : at + entry.length]
        at += entry.length
        if entry.dtype == "names":
            state[entry.name] = msgspec.msgpack.decode(content, type=list[str])
        else:
            array = np.frombuffer(content, dtype=entry.dtype).reshape(entry.shape)
            state[entry.name] = array.astype(array.dtype.newbyteorder("="))
    return state


def _header_of(root: memoryview) -> tuple[_Header, int]:
    """Header of an encoded state, not checked yet, and where the entries' bytes start."""
    start = _BODY + 8 + int.from_bytes(root[_BODY : _BODY + 8], "little")
    try:
        if root[:4] != MAGIC or start > len(root):
            raise ValueError
        return msgspec.msgpack.decode(root[_BODY + 8 : start], type=_Header), start
    except (ValueError, msgspec.MsgspecError) as error:
        raise StateError("The checkpoint is damaged: its checksum does not match.") from error
