"""What was journaled, as an onlooker sees it: the measure by which a world is checked."""

from __future__ import annotations

from collections.abc import Sequence

from edgedescent.engine.messages import Message
from edgedescent.state.store import Store


class Violation(Exception):  # noqa: N818 - it is what the world is searched for, not a fault of the search
    """The daemon broke one of its promises."""


class Ledger:
    """Every message of the journal, also those that the journal no longer needs, and what the broker may forget."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        """By position, from 1 on."""
        self.acknowledged: set[bytes] = set()
        self._payloads: set[bytes] = set()

    def append(self, messages: Sequence[Message]) -> None:
        """Take note of what the store says is durable."""
        for message in messages:
            if message.position != len(self.messages) + 1:
                raise Violation(f"message {message.position} was journaled behind message {len(self.messages)}")
            self.messages.append(message)
            self._payloads.add(message.payload)

    def acknowledge(self, payload: bytes) -> None:
        """Take note that the broker forgets a message.

        Raises:
            Violation: if the journal does not have it.
        """
        if payload not in self._payloads:
            raise Violation(f"acknowledged before it was journaled: {_shown(payload)}")
        self.acknowledged.add(payload)

    def compare(self, found: Sequence[Message], last_position: int) -> None:
        """Take note of what a new life of the daemon finds.

        Raises:
            Violation: if an acknowledged message is missing, or the journal differs from what was written.
        """
        positions = [message.position for message in found]
        if found and positions != list(range(positions[0], last_position + 1)):
            raise Violation(f"the journal up to {last_position} has gaps: {positions}")
        first = positions[0] if found else last_position + 1
        if first > len(self.messages) + 1:
            raise Violation(f"the journal begins with message {first}; {len(self.messages)} were known before")
        # What was not acknowledged may be gone, and other messages may come in its place.
        known = self.messages[first - 1 : last_position]
        for before, after in zip(known, found, strict=False):
            if before != after:
                raise Violation(f"message {before.position} has changed: {before}, {after}")
        self.messages[first - 1 :] = found
        self._payloads = {message.payload for message in self.messages}
        if missing := self.acknowledged - self._payloads:
            raise Violation(f"{len(missing)} acknowledged messages are not in the journal: {_shown(min(missing))}")


def _shown(payload: bytes) -> str:
    return repr(payload[:60])


class WatchedStore(Store):
    """A store that tells a ledger what it has made durable."""

    ledger: Ledger

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> None:
        """Make messages durable, and say so."""
        super().append(messages, answered, hurry=hurry)
        self.ledger.append(messages)
