"""Base class of the decoders: from the bytes of an input's message to plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from edgedescent.validation import Declared


@dataclass(frozen=True, kw_only=True)
class Decoder(Declared, ABC):
    """Base of the decoders: the payload of a message as a number, a text, or tables and lists of these.

    A `Format` reads messages that hold whole events. A decoder reads what any device publishes; the fields of an input
    then say what of it becomes a feature.
    """

    @abstractmethod
    def decode(self, payload: bytes) -> object:
        """Value that a payload holds.

        Raises:
            InvalidEventError: If it holds none, with the reason ``malformed``, ``out_of_range`` or ``too_deep``.
        """
