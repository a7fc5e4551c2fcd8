"""Decoder of CBOR values."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import cbor2

from edgedescent.errors import InvalidEventError
from edgedescent.formats.decoder import Decoder


@dataclass(frozen=True, kw_only=True)
class CborDecoder(Decoder):
    """Decoder of CBOR: one value of any kind. It needs cbor2, which the extra ``cbor`` installs.

    Example:
        >>> CborDecoder().decode(bytes.fromhex("a16474656d70f94d00"))
        {'temp': 20.0}

    References:
        RFC 8949, "Concise Binary Object Representation (CBOR)".
    """

    def decode(self, payload: bytes) -> object:
        """Value that a CBOR data item holds."""
        source = BytesIO(payload)
        try:
            value: object = cbor2.CBORDecoder(source).decode()
        except RecursionError:
            raise InvalidEventError("too_deep", "The payload is nested too deeply.") from None
        except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError) as error:
            # A length that no payload has is a MemoryError or an OverflowError.
            raise InvalidEventError("malformed", f"CBOR is malformed: {error}") from error
        if source.read(1):
            raise InvalidEventError("malformed", "CBOR is malformed: there are bytes behind the value.")
        return value
