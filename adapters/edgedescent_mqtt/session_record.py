"""Record of the session that the broker keeps for the device; it belongs to the daemon's state."""

from __future__ import annotations

import logging

import msgspec

log = logging.getLogger(__name__)


class SessionRecord(msgspec.Struct):
    """Record of the session for a later process, beside the messages that wait in it.

    Attributes:
        address: Address of the broker that keeps it.
        client_id: Client id under which it is kept.
        session: Number of the session; a new one has a larger number. 0 before the first.
        known: True once the broker has kept or made the session.
        continues: True once the broker has shown that it goes on numbering over a new connection.
        marks: True once the broker has marked a message as sent again.
        omits_marks: True once it has sent messages again without marking them. Such a broker may begin a connection
            with any packet id, so that a gap says nothing.
        subscriptions: Filters that the session may be subscribed to; True for those with a subscription identifier.
    """

    address: str
    client_id: str
    session: int = 0
    known: bool = False
    continues: bool = False
    marks: bool = False
    omits_marks: bool = False
    subscriptions: dict[str, bool] = msgspec.field(default_factory=dict)

    @classmethod
    def load(cls, memory: str, address: str, client_id: str) -> SessionRecord:
        """Return the record with this `text`; a new one if it is of another broker or client id, or not readable."""
        new = cls(address, client_id)
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
            self.subscriptions = {}
        return was_lost
