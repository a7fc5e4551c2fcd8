"""Subscriptions to the topics of the events: made, ended, and repeated where the broker refused them."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgedescent.errors import shown
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.connect import Backoff
from edgedescent_mqtt.limits import BrokerLimits
from edgedescent_mqtt.reasons import (
    NO_SHARED_SUBSCRIPTIONS,
    NO_SUBSCRIPTION_IDENTIFIERS,
    NO_WILDCARDS,
    SUBSCRIPTION_ADVICE,
    advice,
    worded,
)
from edgedescent_mqtt.session_record import SessionRecord
from edgedescent_mqtt.topics import has_wildcard, is_shared, overlap, overlapping, uncovered

log = logging.getLogger(__name__)

_HEAD_BYTES = 5 + 2 + 6
"""Most bytes of a SUBSCRIBE before its first filter: head, packet id, and a subscription identifier as a property."""


IDENTIFIER_MAX = 268_435_455
"""Largest subscription identifier (MQTT 5, section 3.8.2.1.2)."""


class Subscriptions:
    """Topic filters to subscribe to over one connection after another, and those to leave.

    The broker keeps subscriptions with the session, so those of an earlier configuration are ended. A refusal is
    logged and tried again, because access rules may be repaired while the device waits.

    With MQTT 5, a filter that overlaps with another one is subscribed to with an identifier, by which the engine
    recognizes copies of one message. A filter keeps the one that it has, or none, as long as the session lasts: of two
    that overlap, at most one has none. Where the broker knows no identifiers, filters that another one covers are left
    out.

    Args:
        filters: Valid topic filters of the events.
        config: Quality of service, protocol, and delays after a refusal.
    """

    def __init__(self, filters: Sequence[str], config: BrokerConfig) -> None:
        self._filters = list(dict.fromkeys(filters))
        self._overlapping = overlapping(self._filters)
        self._five = config.protocol == "5"
        self._qos = config.qos
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._identifiers = True
        """False once the broker has shown that it knows no subscription identifiers."""
        self._numbers = False
        """True if filters are given identifiers over this connection."""
        self._wanted: list[str] = []
        self._asked: dict[int, list[str]] = {}
        """Filters that the broker has not answered, by packet id."""
        self._left: dict[int, list[str]] = {}
        """Filters whose end the broker has not confirmed, by packet id."""
        self._room = 0
        """Bytes for filters in a packet to the broker."""
        self._refused: list[str] = []
        self._to_leave: list[str] = []

    def plan(self, record: SessionRecord, limits: BrokerLimits) -> None:
        """Decide what to subscribe to over a new connection, and record it.

        Args:
            record: What is known of the session.
            limits: What the broker knows and takes.
        """
        self._record = record
        self._room = limits.packet_bytes_max - _HEAD_BYTES
        self._numbers = self._five and self._identifiers and limits.identifiers
        self._wanted = self._filters if self._numbers else uncovered(self._filters)
        if self._overlapping and not self._numbers:
            self._warn_of_overlap()
        for name in [one for one in self._wanted if one not in record.subscriptions]:
            others = {*self._wanted, *record.subscriptions} - {name}
            record.subscriptions[name] = self._numbers and any(overlap(name, other) for other in others)
        self._to_leave = [name for name in record.subscriptions if name not in self._wanted]
        # A broker ends the connection at a filter that it has said it does not know.
        for name in self._wanted:
            if why := self._obstacle(name, limits):
                log.error("Not subscribing to %s: %s", shown(name), why)
                self._wanted = [one for one in self._wanted if one != name]

    def _obstacle(self, name: str, limits: BrokerLimits) -> str:
        """Return why the broker cannot take a filter; an empty string if it can."""
        if is_shared(name) and not limits.shared:
            return f"The broker does not take it. {SUBSCRIPTION_ADVICE[NO_SHARED_SUBSCRIPTIONS]}"
        if has_wildcard(name) and not limits.wildcards:
            return f"The broker does not take it. {SUBSCRIPTION_ADVICE[NO_WILDCARDS]}"
        if _size(name) > self._room:
            return f"The broker takes packets of at most {limits.packet_bytes_max} bytes."
        return ""

    def _warn_of_overlap(self) -> None:
        pairs = overlapping(self._wanted)
        if left := [name for name in self._filters if name not in self._wanted]:
            log.info("Not subscribing to %s, which other filters of `topics.events` cover.", ", ".join(left))
        if pairs:
            log.warning(
                "The filters %r and %r of `topics.events` overlap: where the broker sends an event for each of them, "
                "one without an id is learned twice.",
                *pairs[0],
            )

    def start(self, client: Client) -> None:
        """Do what was planned: subscribe, then leave what the configuration no longer names."""
        self._asked.clear()
        self._left.clear()
        self._backoff.reset()
        self._ask(client, self._wanted)
        self._leave(client)

    def retry(self, client: Client) -> None:
        """Ask again for what was refused, when the delay is over."""
        if (self._refused or self._to_leave) and self._backoff.left_s == 0:
            self._ask(client, self._refused)
            self._leave(client)

    def _ask(self, client: Client, filters: list[str]) -> None:
        self._refused = []
        if not filters:
            return
        numbered = [name for name in filters if self._numbers and self._record.subscriptions[name]]
        for name in numbered:
            self._subscribe(client, [name], identified(name))
        for names in self._packets([name for name in filters if name not in numbered]):
            self._subscribe(client, names)

    def _subscribe(self, client: Client, names: list[str], properties: Properties | None = None) -> None:
        topics = [(name, self._options()) for name in names]
        _, packet_id = client.subscribe(topics, properties=properties)  # type: ignore[arg-type]
        if packet_id is not None:
            self._asked[packet_id] = names

    def _options(self) -> SubscribeOptions | int:
        # A retained event is sent when the subscription is new. After each reconnect it would be learned again.
        if self._five:
            return SubscribeOptions(qos=self._qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        return self._qos

    def _leave(self, client: Client) -> None:
        names, self._to_leave = self._to_leave, []
        for part in self._packets(names):
            _, packet_id = client.unsubscribe(part)
            if packet_id is not None:
                self._left[packet_id] = part

    def _packets(self, filters: Sequence[str]) -> list[list[str]]:
        """Return filters in groups that fit into a packet each."""
        groups: list[list[str]] = []
        room = 0
        for name in filters:
            if not groups or room < _size(name):
                groups.append([])
                room = self._room
            groups[-1].append(name)
            room -= _size(name)
        return groups

    # --- The broker's answers; callbacks of paho's ---------------------------------------------------------------

    def on_subscribe(
        self, _client: Client, _data: Any, packet_id: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        """Record which filters are granted."""
        for name, reason in zip(self._asked.pop(packet_id, []), reasons, strict=False):
            if reason.is_failure:
                self._on_refused(name, reason, properties)
                continue
            log.info("Receiving %s with QoS %d.", name, reason.value)
            if reason.value < self._qos:
                log.warning("The broker grants no better QoS than that: events can get lost.")
        if self._refused:
            log.warning("Asking again in %.1f s.", self._backoff.failed())

    def _on_refused(self, name: str, reason: ReasonCode, properties: Properties | None) -> None:
        log.error(
            "The broker refused the subscription to %r: %s.%s",
            name,
            worded(reason, properties),
            advice(reason, SUBSCRIPTION_ADVICE),
        )
        if reason.value == NO_SUBSCRIPTION_IDENTIFIERS:
            self._identifiers = self._numbers = False
        self._refused.append(name)

    def on_unsubscribe(
        self, _client: Client, _data: Any, packet_id: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        """Record which subscriptions have ended."""
        names = self._left.pop(packet_id, [])
        refused = {name: reason for name, reason in zip(names, reasons, strict=False) if reason.is_failure}
        for name in names:
            if name in refused:
                log.error("The broker refused to end the subscription to %r: %s.", name, refused[name])
                self._to_leave.append(name)
            else:
                log.info("No longer receiving %s, which `topics.events` does not name.", name)
                del self._record.subscriptions[name]
        if refused:
            log.warning("Asking again in %.1f s.", self._backoff.failed())


def identified(name: str) -> Properties:
    """Return the properties of a subscription with an identifier.

    A filter always has the same identifier, because messages for the subscription of an earlier process may still wait.

    Example:
        >>> first, again, other = (identified(name).SubscriptionIdentifier for name in ("p/#", "p/#", "p/+"))
        >>> first == again != other
        True
    """
    properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
    properties.SubscriptionIdentifier = zlib.crc32(name.encode()) % IDENTIFIER_MAX + 1
    return properties


def _size(name: str) -> int:
    """Return the bytes that a filter takes in a SUBSCRIBE: its length, itself, and its options."""
    return 2 + len(name.encode()) + 1
