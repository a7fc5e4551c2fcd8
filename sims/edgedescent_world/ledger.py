"""Ledger of journaled and acknowledged messages, against which a world is checked."""

from __future__ import annotations

from collections.abc import Sequence

from edgedescent.engine.messages import Message
from edgedescent.state.store import Store
from edgedescent_mqtt.topics import matches

Content = tuple[str, bytes]
"""Topic and payload of a message."""


class Violation(Exception):  # noqa: N818 - the result that the simulation searches for, not an error of it
    """The daemon broke one of its promises."""


class Ledger:
    """Record of every journaled message, including those trimmed from the journal, and of the acknowledgements."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        """All journaled messages, from position 1."""
        self.acknowledged: set[Content] = set()
        """Contents of the messages that were acknowledged to the broker."""
        self.has_limits = False
        """True once the daemon has had a rate limit."""
        self._contents: set[Content] = set()
        self._deleted: set[Content] = set()
        """Contents of the messages that were deleted with the state folder."""
        self.filters: Sequence[str] = ("#",)
        """Topic filters that the configuration of the running daemon names."""

    def append(self, messages: Sequence[Message]) -> None:
        """Record messages that the store has made durable.

        Raises:
            Violation: If their positions do not follow the last one.
        """
        for message in messages:
            if message.position != len(self.messages) + 1:
                raise Violation(f"message {message.position} was journaled behind message {len(self.messages)}")
            # A tick is the daemon's own.
            if message.topic and not self.asks_for(message.topic, self.filters):
                raise Violation(f"message {message.position} came over {message.topic!r}, which no filter asks for")
            self.messages.append(message)
            self._contents.add(content_of(message))

    @staticmethod
    def asks_for(topic: str, filters: Sequence[str]) -> bool:
        """True if a topic matches one of the filters."""
        return any(matches(name, topic) for name in filters)

    def acknowledge(self, topic: str, payload: bytes, filters: Sequence[str], dropped: bool) -> None:
        """Record that the broker received the acknowledgements of all copies of a message.

        Args:
            topic: Topic of the message.
            payload: Payload of the message.
            filters: Filters of the device that acknowledged it.
            dropped: True if the daemon has dropped it because of a rate limit.

        Raises:
            Violation: If the message is not in the journal, or was dropped without a limit.
        """
        if not self.asks_for(topic, filters):
            # It waited for a filter that is gone.
            return
        content = topic, payload
        if dropped:
            if not self.has_limits:
                raise Violation(f"dropped without a limit: {_shown(payload)}")
            return
        if content in self._deleted and content not in self._contents:
            # The acknowledgement was on its way when the folder was deleted.
            return
        if content not in self._contents:
            raise Violation(f"acknowledged before it was journaled: {_shown(payload)}")
        self.acknowledged.add(content)

    def delete(self) -> None:
        """Forget everything, because somebody has deleted the state folder."""
        self._deleted |= self._contents
        self.messages.clear()
        self._contents.clear()
        self.acknowledged.clear()

    def compare(self, found: Sequence[Message], last_position: int) -> None:
        """Compare the journal after a restart with the record, and continue with what the journal holds.

        Args:
            found: Messages at the end of the journal.
            last_position: Last position of the journal.

        Raises:
            Violation: If an acknowledged message is missing, or the journal differs from what was written.
        """
        positions = [message.position for message in found]
        if found and positions != list(range(positions[0], last_position + 1)):
            raise Violation(f"the journal up to {last_position} has gaps: {positions}")
        first = positions[0] if found else last_position + 1
        if first > len(self.messages) + 1:
            raise Violation(f"the journal begins with message {first}; {len(self.messages)} were known before")
        # Messages that were not acknowledged may be lost, and others may take their positions.
        known = self.messages[first - 1 : last_position]
        for before, after in zip(known, found, strict=False):
            if before != after:
                raise Violation(f"message {before.position} has changed: {before}, {after}")
        self.messages[first - 1 :] = found
        self._contents = {content_of(message) for message in self.messages}
        if missing := self.acknowledged - self._contents:
            raise Violation(f"{len(missing)} acknowledged messages are not in the journal: {_shown(min(missing)[1])}")


def content_of(message: Message) -> Content:
    """Topic and payload of a message."""
    return message.topic, message.payload


def _shown(payload: bytes) -> str:
    return repr(payload[:60])


class LedgerStore(Store):
    """Store that records in a ledger what it has made durable."""

    ledger: Ledger

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> int:
        """Append messages to the journal, then record them."""
        size = super().append(messages, answered, hurry=hurry)
        self.ledger.append(messages)
        return size
