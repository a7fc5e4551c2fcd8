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
        self._received = self._generation = -1
        """Number of the last connection over which something was received, and of that of the last message marked."""
        self._connections: dict[int, Connection] = {}
        """Connections of which no message was marked yet."""
        self._pending: Connection | None = None
        """The current connection, until a message has carried it."""

    def received(self, deliveries: Sequence[Delivery]) -> None:
        """Note the connections of the deliveries of one poll, in the order of receipt.

        Later the session may be another one, and the first delivery may be handled behind others.
        """
        if deliveries[-1].generation == self._received or self._transport.window is None:
            # Without acknowledgements nothing is sent again.
            return
        for one in deliveries:
            if one.qos and one.generation != self._received:
                self._received = one.generation
                self._connections[one.generation] = Connection(
                    self._transport.session(one.generation), self._store.acknowledged, one.packet_id
                )

    def mark(self, messages: list[Message], deliveries: Sequence[Delivery]) -> list[Message]:
        """Return messages that are handled together, those marked that are the first over their connection.

        Args:
            messages: The messages.
            deliveries: Their deliveries, and surplus ones.
        """
        if self._pending is None and not self._connections:
            return messages
        marked, at = list(messages), 0
        for one in deliveries:
            if one.qos and one.generation != self._generation:
                self._generation = one.generation
                self._pending = self._connections.pop(one.generation)
            if one.surplus:
                continue
            if self._pending is not None and one.qos:
                marked[at] = msgspec.structs.replace(marked[at], connection=self._pending)
                self._pending = None
            at += 1
        return marked
