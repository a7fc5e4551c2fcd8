"""Decoder of MessagePack values."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.formats.decoder import Decoder

_decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, kw_only=True)
class MsgpackDecoder(Decoder):
    """Decoder of MessagePack: one value of any kind.

    Example:
        >>> MsgpackDecoder().decode(bytes.fromhex("81a474656d70cb4034000000000000"))
        {'temp': 20.0}

    References:
        https://github.com/msgpack/msgpack/blob/master/spec.md
    """

    def decode(self, payload: bytes) -> object:
        """Value that a MessagePack text holds."""
        try:
            return _decode(payload)
        except RecursionError:
            raise InvalidEventError("too_deep", "The payload is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as error:
            # A key that cannot be one, such as a list, is a TypeError; a time out of range a ValueError.
            raise InvalidEventError("malformed", f"MessagePack is malformed: {error}") from error
