"""Writer of the packets that go with every event, PUBACK and PUBLISH, and reader of packet lengths.

paho-mqtt needs several times as long for each packet as the device needs to learn the event. Sections are those of the
MQTT 5 standard; 3.1.1 differs by having no properties.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from paho.mqtt.properties import MQTTException  # type: ignore[attr-defined]

from edgedescent_mqtt._packet_writer import length_bytes, packets_of

MALFORMED = (ValueError, IndexError, KeyError, TypeError, struct.error, MQTTException)
"""Errors that paho raises, among others, on malformed packets."""
PING = b"\xc0\x00"
"""PINGREQ (3.12)."""
PINGRESP = 0xD0
"""First byte of PINGRESP (3.13)."""
PUBACK_BYTES = 4
"""Size of a PUBACK without a reason (3.4)."""
DISCONNECT = b"\xe0\x00"
"""DISCONNECT with reason 0 (3.14): the broker discards the last will."""
CORRELATION_DATA = 0x09
"""Identifier of a property (2.2.2.2)."""
_LONGEST_LENGTH = 4


def variable_length(data: bytes, at: int) -> tuple[int, int] | None:
    """Return the variable byte integer (1.5.5) at an index and the index behind it; None where it is not complete.

    Raises:
        ValueError: If it is longer than the standard allows.

    >>> variable_length(bytes([0x80, 0x01]), 0)
    (128, 2)
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
    """Return a PUBACK (3.4) with reason 0 for each packet id.

    >>> acknowledgements([1, 258]).hex(" ")
    '40 02 00 01 40 02 01 02'
    """
    words = [word for packet_id in packet_ids for word in (0x4002, packet_id)]
    return struct.pack(f">{len(words)}H", *words)


class Publication:
    """Writer of PUBLISH packets (3.3) to one topic, with QoS 0.

    Args:
        topic: A valid topic name.
        five: True for MQTT 5.
        retain: True makes the broker retain the last of them.
        correlation: Correlation data (3.3.2.3.6), for MQTT 5 alone; no property where they are empty.

    Example:
        >>> Publication("t", five=False).packets([b"21.5"]).hex(" ")
        '30 07 00 01 74 32 31 2e 35'
    """

    def __init__(self, topic: str, *, five: bool, retain: bool = False, correlation: bytes = b"") -> None:
        name = topic.encode()
        self._kind = 0x31 if retain else 0x30
        self._head = struct.pack(">H", len(name)) + name
        if five:
            found = struct.pack(">BH", CORRELATION_DATA, len(correlation)) + correlation if correlation else b""
            self._head += length_bytes(len(found)) + found

    def packets(self, payloads: Sequence[bytes]) -> bytes:
        """Return the packets of messages, one after the other.

        Raises:
            ValueError: If a payload is longer than the standard allows.
        """
        return packets_of(self._kind, self._head, payloads)
