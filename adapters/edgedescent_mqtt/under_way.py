"""Events that wait for their acknowledgement, and whether the broker handles them as MQTT asks of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.config import BrokerConfig

log = logging.getLogger(__name__)

PACKET_ID_MAX = 65_535
GAP_MAX = 1_000
"""Largest gap between packet ids that is taken for forgotten events: some brokers number each connection anew."""


class UnderWay:
    """Count of the events that were received over one connection and not acknowledged.

    A broker must send again, marked as such, what was not acknowledged when a connection ended (MQTT 5, section 4.4).
    One that forgets it loses what is on its way at each end of a connection, and only the packet ids show it.

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
        self._last_id = 0
        """Packet id of the last event; 0 if there was none."""
        self._is_first = False
        """True until the first event of a connection that continues a session."""

    def resume(self, last_packet_id: int) -> None:
        """Continue behind the last event that an earlier process has saved."""
        self._last_id = last_packet_id

    def on_connected(self, *, resumed: bool) -> None:
        """Record a new connection.

        Args:
            resumed: True if the broker continues the session.
        """
        self._is_first = resumed
        self._unanswered, self._count = self._count, 0
        if not resumed:
            self._last_id = 0

    def on_received(self, deliveries: Sequence[Delivery]) -> None:
        """Record events that have arrived."""
        # Those with QoS 0 have no packet id and are not acknowledged.
        count = sum([one.qos for one in deliveries])
        if not count:
            return
        self._count += count
        if self._is_first:
            self._is_first = False
            self._judge(next(one for one in deliveries if one.qos))
        self._last_id = deliveries[-1].packet_id or self._last_id
        if self._receive_max is not None and self._count > self._receive_max:
            log.warning(
                "The broker sends more unacknowledged events than the %d that `broker.receive_max` permits, as "
                "Mosquitto before 2.0.15 does: set max_inflight_messages there.",
                self._receive_max,
            )
            self._receive_max = None

    def _judge(self, first: Delivery) -> None:
        """Look at the first event of a connection: the broker must go on where it was not acknowledged."""
        gap = (first.packet_id - self._last_id - 1) % PACKET_ID_MAX if self._last_id else 0
        # Of a filter's messages that nobody asks for, the earlier process may have acknowledged some unsaved.
        if 0 < gap <= GAP_MAX and not first.surplus:
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

    def on_acknowledged(self, deliveries: Sequence[Delivery]) -> None:
        """Record that acknowledgements were sent."""
        self._count -= sum([one.qos for one in deliveries])
