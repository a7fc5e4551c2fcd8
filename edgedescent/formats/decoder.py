"""Base classes of the decoders: from the bytes of an input's message to plain values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from edgedescent.errors import InvalidEventError
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


@dataclass(frozen=True, kw_only=True)
class StatefulDecoder(Decoder):
    """Base of the decoders that need earlier messages, for example because they introduced the names.

    Its messages hold times of their own and the names of what they come from. `decode` gives what a payload says by
    itself.
    """

    @classmethod
    @abstractmethod
    def filter_of(cls, topic: str) -> str | None:
        """Topic filter of an input that reads a topic with all that belongs to it; None for another kind of topic."""

    @abstractmethod
    def open(self, topics: Sequence[str]) -> DecoderState:
        """State of an input that has seen nothing.

        Args:
            topics: Topic filters of the input.

        Raises:
            ValueError: If they leave out messages that the decoder needs; says which are expected.
        """


class Record(NamedTuple):
    """Values that one source reports for one time. Those of two records of one source and time add up."""

    source: str
    time: float
    """Seconds since 1970; NaN for the time of arrival."""
    values: object


class Command(msgspec.Struct, frozen=True, gc=False):
    """Message that a decoder wants published, such as a request to a device to introduce itself again."""

    topic: str
    payload: bytes


class DecoderState(ABC):
    """State of a decoder between the messages of an input: named, bounded, and part of the checkpoint.

    A message may be left halfway, and decoded again by whoever loads the state that was saved there. So `decode`
    changes nothing that `save` returns; `commit` does, once all that follows from the message is done.
    """

    @abstractmethod
    def decode(self, topic: str, payload: bytes, received_at: float) -> list[Record | InvalidEventError]:
        """Records of a message in order, and what of it cannot be used.

        Raises:
            InvalidEventError: If nothing of it can be used.
        """

    @abstractmethod
    def commit(self, counts: Counter[str]) -> list[Command]:
        """Remember the last decoded message; returns what is to be published because of it.

        Args:
            counts: Counters, which are updated under names that begin with ``decoding.``.
        """

    @abstractmethod
    def problems(self) -> list[str]:
        """Sentences on what is missing now, for the operator, in printable characters."""

    @abstractmethod
    def save(self) -> bytes:
        """The state."""

    @abstractmethod
    def restore(self, saved: bytes) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If it is damaged, or beyond the bounds.
        """
