"""Abilities and limits of a broker: read from its answer to CONNECT, or found out where it does not say them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from paho.mqtt.properties import Properties

from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.reasons import (
    NO_SHARED_SUBSCRIPTIONS,
    NO_SUBSCRIPTION_IDENTIFIERS,
    NO_WILDCARDS,
    PACKET_TOO_LARGE,
    QOS_NOT_SUPPORTED,
    RETAIN_NOT_SUPPORTED,
)

log = logging.getLogger(__name__)

PACKET_BYTES_MAX = 268_435_460
"""Largest packet of MQTT (MQTT 5, section 2.1.4): a remaining length of 28 bits after five bytes."""
SUSPECT_BYTES = 16_384
"""Size from which on a message may be what the broker ended a connection for."""
ENDS_BEFORE_LIMIT = 2
"""Connections in a row that must end behind a large message before such messages are split."""
_WILLS = ((1, True), (1, True), (1, False), (0, True), (0, False))
"""QoS and retention of the last will in one attempt after the other, where a broker does not say what it refuses."""


class BrokerLimits:
    """Limits of the broker, as far as they are known.

    With MQTT 5 a broker announces them with its acceptance (section 3.2.2.3), or refuses a last will by a reason code.
    With 3.1.1 it only ends the connection: then other wills are tried, and large messages are made smaller.

    Args:
        config: What the device asks for.

    Attributes:
        qos_max: Best quality of service that it takes messages with.
        retains: True if it retains messages.
        packet_bytes_max: Largest packet that it takes.
        receive_max: Most messages with QoS 1 that it takes unconfirmed.
        keepalive_s: Longest silence that it tolerates.
        identifiers: True if it knows subscription identifiers.
        wildcards: True if it knows filters with wildcards.
        shared: True if it knows shared subscriptions.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self._five = config.protocol == "5"
        self.qos_max = 2
        self.retains = True
        self.packet_bytes_max = PACKET_BYTES_MAX
        self.receive_max = 65_535
        self.keepalive_s = config.keepalive_s
        self.identifiers = self.wildcards = self.shared = True
        self._lacking: set[int] = set()
        """Reason codes with which it ended a connection for what it does not know."""
        self._found_bytes_max = PACKET_BYTES_MAX
        """Largest packet, as found out."""
        self._ends = 0
        """Connections in a row that ended behind a large message."""
        self._attempt: int | None = 0
        """Place in `_WILLS`; None once a will was accepted."""
        self._said: set[str] = set()

    def payload_bytes_max(self, topic: str) -> int:
        """Return the largest payload of a message to a topic."""
        # Head, length of the topic, packet id, and no properties.
        return max(self.packet_bytes_max - 5 - 2 - len(topic.encode()) - 2 - 1, 0)

    # --- Before the connection is accepted ------------------------------------------------------------------------

    def will(self) -> tuple[int, bool]:
        """Return QoS and retention of the last will for the next attempt."""
        qos, retain = (1, True) if self._attempt is None else _WILLS[self._attempt]
        return min(qos, self.qos_max), retain and self.retains

    def on_refused(self, code: int) -> str:
        """Adapt to a refusal; returns what is changed for the next attempt."""
        if code == RETAIN_NOT_SUPPORTED and self.retains:
            self.retains = False
            return "; it is asked again without a retained last will"
        if code == QOS_NOT_SUPPORTED and self.qos_max:
            self.qos_max = 0
            return "; it is asked again with a last will of QoS 0"
        if code in (NO_SUBSCRIPTION_IDENTIFIERS, NO_WILDCARDS, NO_SHARED_SUBSCRIPTIONS):
            self._lacking.add(code)
        return ""

    def on_closed_early(self) -> None:
        """Record that the broker ended the connection instead of an answer, and try another will if it may be that."""
        if not self._five and self._attempt is not None:
            self._attempt = (self._attempt + 1) % len(_WILLS)

    # --- Acceptance -----------------------------------------------------------------------------------------------

    def on_accepted(self, properties: Properties | None) -> None:
        """Take over what the broker says with its acceptance, and warn of what it does not grant."""
        found = {} if properties is None else vars(properties)
        if self._five:
            self.qos_max = int(found.get("MaximumQoS", 2))
            self.retains = bool(found.get("RetainAvailable", 1))
        elif self._attempt is not None:
            qos, self.retains = _WILLS[self._attempt]
            self.qos_max = 2 if qos else 0
        self._attempt = None
        announced = int(found.get("MaximumPacketSize", PACKET_BYTES_MAX))
        self.packet_bytes_max = min(announced, self._found_bytes_max)
        self.receive_max = int(found.get("ReceiveMaximum", 65_535))
        self.keepalive_s = int(found.get("ServerKeepAlive", self._config.keepalive_s)) or self._config.keepalive_s
        known = {
            name: bool(found.get(f"{name}Available", 1)) and code not in self._lacking
            for name, code in (
                ("SubscriptionIdentifier", NO_SUBSCRIPTION_IDENTIFIERS),
                ("WildcardSubscription", NO_WILDCARDS),
                ("SharedSubscription", NO_SHARED_SUBSCRIPTIONS),
            )
        }
        self.identifiers, self.wildcards, self.shared = known.values()
        for text in self._shortcomings(found):
            if text not in self._said:
                self._said.add(text)
                log.warning("%s", text)

    def _shortcomings(self, found: dict[str, object]) -> Iterator[str]:
        config = self._config
        if not self.retains:
            yield (
                "The broker retains no messages: status and model cards reach only those that are connected when they "
                "are published."
            )
        if self.qos_max == 0:
            yield "The broker takes messages with QoS 0 only: answers and the status can get lost."
        if self._five:
            # Where the broker does not say otherwise, it grants what was asked for.
            expiry_s = int(str(found.get("SessionExpiryInterval", config.session_expiry_s)))
            if expiry_s < config.session_expiry_s:
                yield (
                    f"The broker keeps events for an absent device for {expiry_s} s; `broker.session_expiry_s` is "
                    f"{config.session_expiry_s}."
                )
            if other := found.get("AssignedClientIdentifier"):
                yield (
                    f"The broker calls this client {other!r} instead of `broker.client_id`: events that wait for it "
                    "may not be found again."
                )
        if self.packet_bytes_max < SUSPECT_BYTES:
            yield f"The broker takes packets of at most {self.packet_bytes_max} bytes: larger answers are split."

    # --- Large messages -------------------------------------------------------------------------------------------

    def on_taken(self) -> None:
        """Record that the broker took all messages so far."""
        self._ends = 0

    def on_ended(self, largest: int, code: int | None) -> None:
        """Record that a connection has ended.

        Args:
            largest: Size of the largest message of which is not known that the broker took it; 0 if there is none.
            code: Reason code that the broker gave; None without one.
        """
        if largest < SUSPECT_BYTES and code != PACKET_TOO_LARGE:
            return
        self._ends += 1
        # Once it has shown that it has a limit, each further end says that the limit is lower.
        is_known = code == PACKET_TOO_LARGE or self._found_bytes_max < PACKET_BYTES_MAX
        if self._ends < ENDS_BEFORE_LIMIT and not is_known:
            return
        self._found_bytes_max = max(min(largest, self._found_bytes_max) // 2, SUSPECT_BYTES)
        self.packet_bytes_max = min(self.packet_bytes_max, self._found_bytes_max)
        self._ends = 0
        log.warning(
            "The broker ended the connection behind a message of %d bytes: from now on, answers are split into "
            "messages of at most %d.",
            largest,
            self._found_bytes_max,
        )
