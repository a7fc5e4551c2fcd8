"""The packets that come and go with every event: PUBLISH and PUBACK, read and written many at a time.

What paho-mqtt does for each of them costs several times what it takes to learn the event. Sections are those of the
MQTT 5 standard; 3.1.1 differs by having no properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from edgedescent.adapters import Delivery

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


def take_events(  # noqa: PLR0912 - a call for each of its parts would cost more than all of them
    data: bytes, at: int, generation: int, *, five: bool, count_max: int, bytes_max: int
) -> tuple[list[Delivery], int]:
    """Take the events (3.3) from `at` on, up to the first packet that is none or is not complete.

    One with QoS 2 counts as none, because nobody asks for it.

    Args:
        data: what was received.
        at: where a packet begins.
        generation: the connection's.
        five: whether they have the properties of MQTT 5, which are passed over.
        count_max: how many to take at most.
        bytes_max: stop as soon as they hold so much.

    Returns:
        The events, and where the next packet begins.

    Raises:
        ValueError: if a packet is malformed.
        IndexError: likewise.
    """
    events: list[Delivery] = []
    size, until = len(data), at + bytes_max
    # What the last event had in common with the next, as it mostly has.
    name, topic = b"\0\0", ""
    known, qos, duplicate = 0, 0, False
    for _ in range(count_max):
        # The shortest event has five bytes: a topic of one letter and nothing else.
        if at + 5 > size or at >= until:
            break
        head, length, start = data[at], data[at + 1], at + 2
        if head != known:
            if head & 0xF4 != 0x30:
                break
            known, qos, duplicate = head, head >> 1 & 1, head & 0x08 != 0
        if length > 127:
            if data[start] > 127:
                found = variable_length(data, at + 1)
                if found is None:
                    break
                length, start = found
            else:
                length += (data[start] - 1) * 128
                start += 1
        end = start + length
        if end > size:
            break
        if data.startswith(name, start):
            place = start + len(name)
        else:
            place = start + 2 + (data[start] << 8) + data[start + 1]
            name = data[start:place]
            topic = _text(name[2:])
        packet_id = 0
        if qos:
            packet_id = (data[place] << 8) + data[place + 1]
            place += 2
        if five:
            skipped, place = data[place], place + 1
            if skipped:
                # Where even the length is cut off, it is taken for one that no packet can hold.
                skipped, place = variable_length(data, place - 1) or (size, place)
                place += skipped
        if place > end:
            raise ValueError("an event that is longer than its packet")
        events.append(Delivery(topic, data[place:end], packet_id, qos, duplicate, generation))
        at = end
    return events, at


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}"


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
