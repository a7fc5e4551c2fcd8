"""Decoder of JSON values."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.formats._json_scan import with_nulls
from edgedescent.formats.decoder import Decoder
from edgedescent.formats.json_repair import stripped

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, kw_only=True)
class JsonDecoder(Decoder):
    """Decoder of JSON (RFC 8259): one value of any kind.

    Numbers that are not finite count as missing, and a byte-order mark, and NULs at the end, are skipped.

    Example:
        >>> JsonDecoder().decode(b'{"ENERGY": {"Power": 182, "Factor": NaN}}')
        {'ENERGY': {'Power': 182, 'Factor': None}}
    """

    def decode(self, payload: bytes) -> object:
        """Value that a JSON text holds."""
        try:
            return _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # Repairs are tried only where they are needed: almost every message is plain JSON.
            return _decode_repaired(payload, error)
        except RecursionError:
            raise InvalidEventError("too_deep", "The payload is nested too deeply.") from None


def _decode_repaired(payload: bytes, error: Exception) -> object:
    text = stripped(payload)
    for candidate in (text, with_nulls(text)):
        try:
            if candidate is not None:
                return _decode(candidate)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    reason = "out_of_range" if "out of range" in str(error) else "malformed"
    raise InvalidEventError(reason, str(error)) from None
