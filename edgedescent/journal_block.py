"""A run of messages as one row of the journal: packed, compressed and checked."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from edgedescent.errors import StateError

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[float, str, bytes]]).decode


def pack(received: Sequence[tuple[float, str, bytes]]) -> bytes:
    """Time, topic and payload of messages in one piece."""
    return zlib.compress(_encode(received), 1)


def checksum(first: int, last: int, data: bytes) -> int:
    """Covers the positions too, so that a message never comes back in another's place.

    >>> checksum(1, 2, b"data") == checksum(2, 3, b"data")
    False
    """
    return zlib.crc32(data, zlib.crc32(f"{first} {last}".encode()))


def unpack(first: int, last: int, crc: int, data: bytes) -> list[tuple[float, str, bytes]]:
    """Read back what `pack` made.

    >>> data = pack([(1.0, "events", b"{}")])
    >>> unpack(7, 7, checksum(7, 7, data), data)
    [(1.0, 'events', b'{}')]

    Raises:
        StateError: if the checksum does not match.
    """
    # A damaged cell may hold a value of another type.
    if not isinstance(data, bytes) or checksum(first, last, data) != crc:
        raise StateError(f"The journal is damaged at messages {first} to {last}: its checksum does not match.")
    return _decode(zlib.decompress(data))
