"""The packets that go with every event: PUBACK and PUBLISH, written many at a time, and where a packet ends.

What paho-mqtt does for each of them costs several times what it takes to learn the event. Sections are those of the
MQTT 5 standard; 3.1.1 differs by having no properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

PING = b"\xc0\x00"
"""A PINGREQ (3.12)."""
DISCONNECT = b"\xe0\x00"
"""A DISCONNECT in good order (3.14): there is to be no last will."""
_LONGEST_LENGTH = 4


def variable_length(data: bytes, at: int) -> tuple[int, int] | None:
    """The variable byte integer (1.5.5) at a place, and the place behind it; None where it is not complete.

    >>> variable_length(bytes([0x80, 0x01]), 0)
    (128, 2)

    Raises:
        ValueError: if it is longer than the standard allows.
    """
    value = 0
    for i, byte in enumerate(data[at : at + _LONGEST_LENGTH]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, at + i + 1
    if len(data) - at >= _LONGEST_LENGTH:
        raise ValueError("a malformed length")
    return None


def acknowledgements(packet_ids: Iterable[int]) -> bytes:
    """A PUBACK (3.4) for each, which says that all went well.

    >>> acknowledgements([1, 258]).hex(" ")
    '40 02 00 01 40 02 01 02'
    """
    words = [word for packet_id in packet_ids for word in (0x4002, packet_id)]
    return struct.pack(f">{len(words)}H", *words)


class Publication:
    """Makes messages (3.3) to one topic with QoS 0 and without properties.

    Args:
        topic: a valid one.
        five: whether they are of MQTT 5.
        retain: whether the broker is to keep the last of them for whoever comes later.

    Example:
        >>> Publication("t", five=False).packet(b"21.5").hex(" ")
        '30 07 00 01 74 32 31 2e 35'
    """

    def __init__(self, topic: str, *, five: bool, retain: bool = False) -> None:
        name = topic.encode()
        self._kind = 0x31 if retain else 0x30
        self._head = struct.pack(">H", len(name)) + name + (b"\0" if five else b"")

    def packet(self, payload: bytes) -> bytes:
        """The whole packet.

        Raises:
            ValueError: if the payload is longer than the standard allows.
        """
        kind, head = self._kind, self._head
        length = len(head) + len(payload)
        if length < 128:
            return b"%c%c%b%b" % (kind, length, head, payload)
        if length < 16_384:
            return b"%c%c%c%b%b" % (kind, length & 127 | 128, length >> 7, head, payload)
        if length >= 128**_LONGEST_LENGTH:
            raise ValueError(f"A message of {length} bytes is too long for MQTT.")
        digits = [length >> 7 * i & 127 | 128 for i in range(_LONGEST_LENGTH)]
        while digits[-1] == 128:
            digits.pop()
        digits[-1] &= 127
        return b"%c%b%b%b" % (kind, bytes(digits), head, payload)
