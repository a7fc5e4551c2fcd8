"""Record of the session that the broker keeps for the device; it belongs to the daemon's state."""

from __future__ import annotations

import logging
import random
from typing import Annotated

import msgspec

log = logging.getLogger(__name__)

NUMBER_MAX = 268_435_455
"""Largest subscription identifier (MQTT 5, section 3.8.2.1.2)."""


Number = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]


class Subscription(msgspec.Struct):
    """A topic filter that the session may be subscribed to."""

    name: str
    number: Number
    """Subscription identifier; a younger subscription has a larger one."""
    granted: bool = False
    """True once the broker has granted it."""
    leaving: bool = False
    """True from before the request to end it: from then on the broker may have ended it or not."""


class SessionRecord(msgspec.Struct):
    """Record of the session for a later process, beside the messages that wait in it.

    Attributes:
        address: Address of the broker that keeps it.
        client_id: Client id under which it is kept.
        next_number: Next subscription identifier.
        session: Number of the session; a new one has a larger number. 0 before the first.
        known: True once the broker has kept or made the session.
        continues: True once the broker has shown that it goes on numbering over a new connection.
        marks: True once the broker has marked a message as sent again.
        subscriptions: Filters that the session may be subscribed to, the oldest first.
    """

    address: str
    client_id: str
    next_number: Number
    session: int = 0
    known: bool = False
    continues: bool = False
    marks: bool = False
    subscriptions: list[Subscription] = msgspec.field(default_factory=list)

    @classmethod
    def new(cls, address: str, client_id: str) -> SessionRecord:
        """Return the record of a session of which nothing is known.

        Its numbers begin at random: messages of a session that this state does not know may carry others, which must
        not be taken for ours.
        """
        first = random.randrange(1, NUMBER_MAX // 2)  # noqa: S311 - nothing secret depends on it
        return cls(address, client_id, first)

    @classmethod
    def load(cls, memory: str, address: str, client_id: str) -> SessionRecord:
        """Return the record with this `text`; a new one if it is of another broker or client id, or not readable."""
        new = cls.new(address, client_id)
        if not memory:
            return new
        try:
            record = msgspec.json.decode(memory, type=cls)
        except msgspec.DecodeError as error:
            log.error("The record of the broker's session is damaged (%s): earlier subscriptions are not known.", error)
            return new
        if (record.address, record.client_id) == (address, client_id):
            return record
        log.warning(
            "The session is a new one: it was that of %r at %s, and is that of %r at %s now. What waits in the old one "
            "is not received, and its broker keeps it until it expires.",
            record.client_id,
            record.address,
            client_id,
            address,
        )
        new.session = record.session + 1
        return new

    @property
    def text(self) -> str:
        """The record as text."""
        return msgspec.json.encode(self).decode()

    def begin(self, *, present: bool) -> bool:
        """Record a connection; returns True if the broker did not keep the session that it had.

        Args:
            present: True if it continues the session; False if it has made a new one.
        """
        was_lost, self.known = self.known and not present, True
        if not present:
            self.session += 1
            self.subscriptions = []
        return was_lost

    def find(self, name: str) -> Subscription | None:
        """Return the subscription to a filter; None if there is none."""
        return next((one for one in self.subscriptions if one.name == name), None)

    def add(self, name: str) -> Subscription:
        """Add a subscription as the youngest; one that the record holds becomes the youngest."""
        self.remove(name)
        added = Subscription(name, self.next_number)
        self.next_number = self.next_number % NUMBER_MAX + 1
        self.subscriptions.append(added)
        return added

    def remove(self, name: str) -> None:
        """Remove a subscription that has ended."""
        self.subscriptions = [one for one in self.subscriptions if one.name != name]
