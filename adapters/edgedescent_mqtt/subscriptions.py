"""Subscribing to the events' topics, and again to those that the broker refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgedescent_mqtt.config import Broker, require_filter
from edgedescent_mqtt.connect import Backoff

log = logging.getLogger(__name__)


class Subscriptions:
    """What to subscribe to over one connection after another.

    A refusal is logged and tried again, because access rules may be mended while the device waits.

    Args:
        filters: topic filters of the events.
        config: says with which QoS and protocol, and how long to wait after a refusal.

    Raises:
        ConfigError: if a filter cannot be one.
    """

    def __init__(self, filters: Sequence[str], config: Broker) -> None:
        options: SubscribeOptions | int = config.qos
        if config.protocol == "5":
            # A retained event was sent when the subscription was new. After each reconnect it would be learned again.
            options = SubscribeOptions(qos=config.qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        self._options = {require_filter(name, f"topics.events[{i}]"): options for i, name in enumerate(filters)}
        self._qos = config.qos
        self._backoff = Backoff(config.reconnect_min_s, config.reconnect_max_s)
        self._asked: dict[int, list[str]] = {}
        self._refused: list[str] = []

    def start(self, client: Client) -> None:
        """Ask for all of them over a new connection."""
        self._asked.clear()
        self._backoff.reset()
        self._ask(client, list(self._options))

    def renew(self, client: Client) -> None:
        """Ask again for those that were refused, when it is time to."""
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
        """Take note of the broker's answer; paho calls this."""
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
