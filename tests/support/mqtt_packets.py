"""MQTT control packets as raw bytes (section 2 of the standard)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14


class Packet(NamedTuple):
    """One whole packet."""

    kind: int
    flags: int
    content: bytes
    end: int
    """Offset of the byte behind it."""


def split_packets(data: bytes | bytearray, start: int = 0) -> Iterator[Packet]:
    """The whole packets in `data` from an offset on; one that is not complete is left out."""
    at = start
    while len(data) - at >= 2:
        length = shift = 0
        place = at + 1
        while place < len(data):
            byte = data[place]
            length |= (byte & 127) << shift
            shift, place = shift + 7, place + 1
            if byte < 128:
                break
        else:
            return
        if len(data) - place < length:
            return
        yield Packet(data[at] >> 4, data[at] & 15, bytes(data[place : place + length]), place + length)
        at = place + length


def packet(kind: int, flags: int, content: bytes) -> bytes:
    """The bytes of one packet."""
    length, size = b"", len(content)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([kind << 4 | flags]) + length + content
