"""Subscriptions to the topics of the events, repeated where the broker refused them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.connect import Backoff

log = logging.getLogger(__name__)


class Subscriptions:
    """Topic filters to subscribe to over one connection after another.

    A refusal is logged and tried again, because access rules may be repaired while the device waits.

    Args:
        filters: Valid topic filters of the events.
        config: Quality of service, protocol, and delays after a refusal.
    """

    def __init__(self, filters: Sequence[str], config: BrokerConfig) -> None:
        options: SubscribeOptions | int = config.qos
        if config.protocol == "5":
            # A retained event is sent when the subscription is new. After each reconnect it would be learned again.
            options = SubscribeOptions(qos=config.qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        self._options = dict.fromkeys(filters, options)
        self._qos = config.qos
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._asked: dict[int, list[str]] = {}
        """Filters that the broker has not answered, by packet id."""
        self._refused: list[str] = []

    def start(self, client: Client) -> None:
        """Subscribe to all of them over a new connection."""
        self._asked.clear()
        self._backoff.reset()
        self._ask(client, list(self._options))

    def retry(self, client: Client) -> None:
        """Subscribe again to those that were refused, when the delay is over."""
        if self._refused and self._backoff.left_s == 0:
            self._ask(client, self._refused)

    def _ask(self, client: Client, filters: list[str]) -> None:
        self._refused = []
        _, packet_id = client.subscribe([(name, self._options[name]) for name in filters])  # type: ignore[arg-type]
        if packet_id is not None:
            self._asked[packet_id] = filters

    def on_subscribe(
        self, _client: Client, _data: Any, packet_id: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        """Record the broker's answer; a callback of paho's."""
        for name, reason in zip(self._asked.pop(packet_id, []), reasons, strict=False):
            if reason.is_failure:
                self._refused.append(name)
                log.error("The broker refused the subscription to %r: %s. Check its access rules.", name, reason)
            else:
                log.info("Receiving %s with QoS %d.", name, reason.value)
                if reason.value < self._qos:
                    log.warning("The broker grants no better QoS than that: events can get lost.")
        if self._refused:
            log.warning("Asking again in %.1f s.", self._backoff.failed())
