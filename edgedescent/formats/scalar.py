"""Decoder of bare numbers and words."""

from __future__ import annotations

from dataclasses import dataclass

from edgedescent.errors import InvalidEventError
from edgedescent.formats.decoder import Decoder


@dataclass(frozen=True, kw_only=True)
class ScalarDecoder(Decoder):
    r"""Decoder of a bare number or word, such as ``21.5``, ``21.5 °C`` or ``ON``: its text.

    The words and units of the input turn the text into a number.

    Example:
        >>> ScalarDecoder().decode(b" 21.5\n")
        '21.5'
    """

    def decode(self, payload: bytes) -> object:
        """Text of a payload, without blanks and NULs around it."""
        try:
            return payload.decode("utf-8-sig").strip(" \t\r\n\0")
        except UnicodeDecodeError as error:
            raise InvalidEventError("malformed", f"The text is not UTF-8: {error.reason}.") from error
