"""Events that wait for their acknowledgement, and whether the broker handles them as MQTT asks of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.session_record import SessionRecord

log = logging.getLogger(__name__)


class UnderWay:
    """Count of the events that were received over one connection and not acknowledged.

    A broker must send again, marked as such, what was not acknowledged when a connection ended (MQTT 5, section 4.4).
    One that does not loses what is on its way at each end of a connection, and nothing else shows it.

    Args:
        config: Protocol, quality of service, and how many events the broker may send ahead.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._qos = config.qos
        self._receive_max = config.receive_max if config.protocol == "5" and config.qos else None
        """Most events that the broker may send ahead; None where it does not know."""
        self._count = 0
        self._expected = False
        """True until the first event of a connection, if the broker should send some again."""

    def on_connected(self, record: SessionRecord, *, resumed: bool, first: bool) -> None:
        """Record a new connection.

        Args:
            record: What is known of the session.
            resumed: True if the broker continues the session.
            first: True for the first connection of this process.
        """
        # What an earlier process had received without acknowledging it is not known: there may have been nothing.
        interrupted = record.in_use if first else self._count > 0
        self._expected = bool(self._qos) and resumed and interrupted and not record.resends
        self._record, self._count = record, 0

    def on_received(self, deliveries: Sequence[Delivery]) -> None:
        """Record events that have arrived."""
        if not deliveries:
            return
        # Those with QoS 0 are not acknowledged.
        self._count += sum([one.qos for one in deliveries])
        if self._expected:
            self._expected = False
            self._judge(deliveries[0])
        if self._receive_max is not None and self._count > self._receive_max:
            log.warning(
                "The broker sends more unacknowledged events than the %d that `broker.receive_max` permits, as "
                "Mosquitto before 2.0.15 does: set max_inflight_messages there.",
                self._receive_max,
            )
            self._receive_max = None

    def _judge(self, first: Delivery) -> None:
        if first.duplicate:
            self._record.resends = True
            return
        log.warning(
            "The last connection ended unexpectedly, and the broker has sent nothing again: if events were on their "
            "way then, they are lost. Some brokers forget what was not acknowledged."
        )

    def on_acknowledged(self, deliveries: Sequence[Delivery]) -> None:
        """Record that acknowledgements were sent."""
        self._count -= sum([one.qos for one in deliveries])
