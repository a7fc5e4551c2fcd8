"""MQTT packets as bytes, for benchmarks that a client library would slow down."""

from __future__ import annotations


def text(value: str) -> bytes:
    """UTF-8 string with its length in front (MQTT 3.1.1, section 1.5.3)."""
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def packet(kind: int, body: bytes) -> bytes:
    """MQTT packet of a kind: fixed header with the encoded length, then the body (MQTT 3.1.1, section 2.2)."""
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | 128 if length else digit)
        if not length:
            return bytes((kind, *encoded)) + body
