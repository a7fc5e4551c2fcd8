"""Events that wait for their acknowledgement, and whether the broker handles them as MQTT asks of it."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable

import msgspec

from edgedescent.engine.packet_ids import REPEATED_MAX, ids_between, latest_id
from edgedescent.interfaces import Delivery
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.session_record import SessionRecord

log = logging.getLogger(__name__)

GAP_MAX = 1_000
"""Largest gap between packet ids that is taken for forgotten events."""
PROOF_ID = 16
"""Least packet id to go on from that shows that a broker does not number each connection anew."""
NEW_MAX = 64
"""Most new events among which a broker that has resumed a session is expected to send others again."""


class UnderWay:
    """Count of the events that were received over one connection and not acknowledged.

    A broker must send again, marked as such, what was not acknowledged when a connection ended (MQTT 5, section 4.4).
    One that forgets it loses what is on its way at each end of a connection, and only the packet ids show it, if the
    broker has gone on numbering over a new connection before: some number each anew. One that does not mark it shows
    by them what it sends again: until a broker has marked something, events at the beginning of a connection are marked
    here that carry the packet ids of earlier ones whose acknowledgements the broker may not have. New events may come
    between them.

    Args:
        config: Protocol, quality of service, and how many events the broker may send ahead.
        counts: Counts what the broker has forgotten.
    """

    def __init__(self, config: BrokerConfig, counts: Counter[str]) -> None:
        self._counts = counts
        self._receive_max = config.receive_max if config.protocol == "5" and config.qos else None
        """Most events that the broker may send ahead; None where it does not know."""
        self._count = 0
        self._unanswered = 0
        """Number of events that the broker should send again."""
        self._last_id: int | None = None
        """Packet id up to which the broker has numbered, 0 before the first of a session; None if it is not known."""
        self._is_first = False
        """True until the first event of a connection that continues a session."""
        self._received: deque[int] = deque(maxlen=REPEATED_MAX)
        """Packet ids of the newest events that the broker may send again."""
        self._n_received = 0
        """Number of events that came over this connection."""
        self._repeated: set[int] = set()
        """Packet ids under which it may send events again at the beginning of this connection."""
        self._n_new = 0
        """Number of other events since the last one that was sent again."""
        self._said = False

    def resume(self, last_packet_id: int | None, packet_ids: Iterable[int]) -> None:
        """Continue where an earlier process ended.

        Args:
            last_packet_id: Packet id up to which the broker had numbered; None if it is not known.
            packet_ids: Packet ids of the newest events whose acknowledgements the broker may not have.
        """
        self._last_id = last_packet_id
        self._received.extend(packet_ids)

    def on_connected(self, record: SessionRecord, *, resumed: bool, confirmed: int) -> None:
        """Record a new connection.

        Args:
            record: What is known of the session.
            resumed: True if the broker continues it.
            confirmed: Number of events of the connection before whose acknowledgements the broker has.
        """
        self._record = record
        self._is_first = resumed
        self._unanswered, self._count = self._count, 0
        while confirmed and len(self._received) > self._n_received - confirmed:
            self._received.popleft()
        self._n_received = self._n_new = 0
        if not resumed:
            self._last_id = 0
            self._received.clear()
        elif not record.known:
            # Others had this session before.
            self._last_id = None
        self._repeated = set() if record.marks else set(self._received)

    def on_received(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Record events that have arrived; returns them, marked where the broker should have."""
        # Those with QoS 0 have no packet id and are not acknowledged.
        count = sum([one.qos for one in deliveries])
        if not count:
            return deliveries
        self._count += count
        if self._is_first:
            self._is_first = False
            self._judge(next(one for one in deliveries if one.qos))
        if self._repeated:
            deliveries = [self._marked(one) for one in deliveries]
        self._received.extend([one.packet_id for one in deliveries if one.qos])
        self._n_received += count
        if (last := deliveries[-1]).packet_id:
            self._last_id = latest_id(self._last_id, last.packet_id, again=last.duplicate)
        if self._receive_max is not None and self._count > self._receive_max:
            log.warning(
                "The broker sends more unacknowledged events than the %d that `broker.receive_max` permits, as "
                "Mosquitto before 2.0.15 does: set max_inflight_messages there.",
                self._receive_max,
            )
            self._receive_max = None
        return deliveries

    def _judge(self, first: Delivery) -> None:
        """Look at the first event of a connection: the broker must go on where it was not acknowledged."""
        record, last_id = self._record, self._last_id
        if first.duplicate:
            record.marks = True
        if record.marks or first.packet_id == 1:
            # It may number each connection anew: then packet ids say nothing.
            self._repeated.clear()
        elif first.packet_id in self._repeated:
            return
        gap = ids_between(last_id + 1, first.packet_id) if last_id is not None else 0
        again = first.duplicate and first.packet_id != 1 and ids_between(first.packet_id, last_id or 0) < REPEATED_MAX
        if last_id is not None and last_id >= PROOF_ID and (gap == 0 or again):
            record.continues = not record.omits_marks
        # Of a filter's messages that nobody asks for, the earlier process may have acknowledged some unsaved.
        if not record.continues or first.surplus:
            return
        if 0 < gap <= GAP_MAX:
            self._counts["messages_forgotten"] += gap
            told = f"{gap} messages"
        elif self._unanswered and not first.duplicate:
            told = "messages"
        else:
            return
        log.warning(
            "The broker has kept the session but does not send %s again that were on their way when the last "
            "connection ended: events are lost, see docs/brokers.md.",
            told,
        )

    def _marked(self, one: Delivery) -> Delivery:
        """Return a delivery, marked as sent again if that is what its packet id says."""
        if one.packet_id not in self._repeated:
            self._n_new += 1
            if self._n_new > NEW_MAX:
                self._repeated.clear()
            return one
        self._repeated.discard(one.packet_id)
        self._n_new = 0
        if one.duplicate:
            return one
        self._record.omits_marks, self._record.continues = True, False
        if not self._said:
            self._said = True
            log.warning(
                "The broker sends messages again without marking them, as aedes does: they are recognized by their "
                "packet ids."
            )
        return msgspec.structs.replace(one, duplicate=True)

    def on_acknowledged(self, count: int) -> None:
        """Record that acknowledgements were sent."""
        self._count -= count
