"""Notes for the engine about the connection over which messages came."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgedescent.engine.messages import Connection, Message
from edgedescent.interfaces import Delivery, Transport
from edgedescent.state.store import Store


class Connections:
    """Marks the first message of each connection, so that the engine knows what the broker may send again.

    Args:
        transport: Knows to which session a connection belongs.
        store: Knows which messages were acknowledged.
    """

    def __init__(self, transport: Transport, store: Store) -> None:
        self._transport = transport
        self._store = store
        self._generation = -1
        self._pending: Connection | None = None
        """The current connection, until a message has carried it."""

    def mark(self, messages: list[Message], deliveries: Sequence[Delivery]) -> list[Message]:
        """Return the messages of one poll, those marked that are the first over their connection.

        Args:
            messages: The messages.
            deliveries: Their deliveries, and surplus ones.
        """
        if self._pending is None and deliveries[-1].generation == self._generation:
            return messages
        if self._transport.window is None:
            # Without acknowledgements nothing is sent again.
            return messages
        marked, at = list(messages), 0
        for one in deliveries:
            if one.qos and one.generation != self._generation:
                self._generation = one.generation
                self._pending = Connection(
                    self._transport.session(one.generation), self._store.acknowledged, one.packet_id
                )
            if one.surplus:
                continue
            if self._pending is not None and one.qos:
                marked[at] = msgspec.structs.replace(marked[at], connection=self._pending)
                self._pending = None
            at += 1
        return marked
