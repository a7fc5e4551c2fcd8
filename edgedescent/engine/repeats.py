"""Recognition of repeats: of events by their ids, and of messages by what the broker says of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._redelivery_window import AGAIN, NEW, RedeliveryWindow
from edgedescent.engine.messages import Message

_MESSAGES = ("redeliveries", "redeliveries_places", "redeliveries_connection")


class Repeats:
    """Windows by which repeats are recognized.

    Args:
        dedup_window: Number of learned events with ids that are remembered.
        redelivery_window: Number of messages that are remembered.

    Attributes:
        events: The learned events with ids.
        messages: The messages.
    """

    def __init__(self, dedup_window: int, redelivery_window: int) -> None:
        self.events = DedupWindow(dedup_window)
        self.messages = RedeliveryWindow(redelivery_window)

    def resize(self, dedup_window: int, redelivery_window: int) -> None:
        """Change the sizes of the windows; one that gets smaller keeps the newest of what it remembers."""
        if dedup_window != self.events.window:
            events, self.events = self.events, DedupWindow(dedup_window)
            self.events.restore(events.save(), events.n_added)
        if redelivery_window != self.messages.window:
            messages, self.messages = self.messages, RedeliveryWindow(redelivery_window)
            self.messages.restore(*messages.save())
            self.messages.copies.restore(messages.copies.save())

    def note(self, message: Message, counters: Counter[str]) -> int:
        """Note a message that begins, and the connection that begins with it.

        There is nothing to note of a message without packet id, connection and subscriptions.

        Args:
            message: The message.
            counters: Counters, which are updated.

        Returns:
            `NEW`; `AGAIN` if it was sent again and is known; `COPY` if it is one for a further subscription.
        """
        connection = message.connection
        if connection is not None:
            self.messages.connect(message.position, connection.session, connection.acknowledged, connection.first_id)
        if not message.packet_id and not message.subscriptions:
            return NEW
        known = self.messages.note(
            message.position,
            message.packet_id,
            message.topic,
            message.payload,
            message.duplicate,
            message.subscriptions,
        )
        if known != NEW:
            counters["messages_redelivered" if known == AGAIN else "messages_copied"] += 1
        return known

    def save_messages(self) -> dict[str, Any]:
        """State of the window of messages as named arrays."""
        return {**dict(zip(_MESSAGES, self.messages.save(), strict=True)), "copies": self.messages.copies.save()}

    def save_events(self) -> dict[str, Any]:
        """State of the window of events as named arrays."""
        return {"seen": self.events.save(), "seen_total": np.array([self.events.n_added], dtype=np.int64)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `save_messages` and `save_events` returned.

        Raises:
            ValueError: If its arrays do not belong together.
            KeyError: If it is incomplete.
        """
        self.events.restore(state["seen"], int(state["seen_total"][0]))
        self.messages.restore(*(state[name] for name in _MESSAGES))
        self.messages.copies.restore(state["copies"])
