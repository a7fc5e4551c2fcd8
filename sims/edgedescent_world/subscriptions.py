"""Topics of a world, the filters that the device's configuration names, and the device's subscriptions to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.config import BrokerConfig
from edgedescent_mqtt.limits import BrokerLimits
from edgedescent_mqtt.screen import Screen
from edgedescent_mqtt.session_record import SessionRecord
from edgedescent_mqtt.subscriptions import Subscriptions
from edgedescent_mqtt.topics import uncovered
from edgedescent_world.chance import Chance
from edgedescent_world.link import Packet

TOPIC = "edgedescent/pump/events"
"""Topic of the first source; the others have one below it."""
FILTERS = (
    (TOPIC,),
    (f"{TOPIC}/#",),
    (f"{TOPIC}/#", f"{TOPIC}/+"),
    (TOPIC, f"{TOPIC}/+", "edgedescent/+/events/#"),
    ("edgedescent/+/events/1", f"{TOPIC}/+"),
    (f"{TOPIC}/1", f"{TOPIC}/2"),
)
"""Filters that configurations name: some overlap, and some leave topics out."""


def draw_filters(chance: Chance) -> tuple[str, ...]:
    """Draw the filters of a start of the daemon."""
    return chance.filters.choice(FILTERS)


class _Granted:
    """Reason code of a broker that grants everything."""

    is_failure = False
    value = 1


class DeviceSubscriptions:
    """The MQTT adapter's own code for subscriptions, over a simulated connection.

    Args:
        filters: Topic filters that the configuration names.
        send: Sends a packet to the broker.
    """

    def __init__(self, filters: Sequence[str], send: Callable[[Packet], None]) -> None:
        self._send = send
        self._ids = 0
        self.counts = Counter[str]()
        config = BrokerConfig()
        self._limits = BrokerLimits(config)
        self._subscriptions = Subscriptions(filters, config)
        self._screen = Screen(filters, self.counts)
        self.record = SessionRecord("broker:1883", "pump")

    def resume(self, memory: str) -> None:
        """Continue with the record of an earlier process."""
        if memory:
            self.record = SessionRecord.load(memory, self.record.address, self.record.client_id)

    def connected(self, *, session_present: bool, knows_identifiers: bool) -> None:
        """Plan what to subscribe to over a new connection."""
        self.record.begin(present=session_present)
        self._limits.identifiers = knows_identifiers
        self._subscriptions.plan(self.record, self._limits)

    def start(self) -> None:
        """Do what was planned."""
        self._subscriptions.start(self)  # type: ignore[arg-type]

    def answered(self, packet: Packet) -> None:
        """Handle the broker's answer."""
        subscriptions: Any = self._subscriptions
        handle = subscriptions.on_subscribe if packet.kind == "suback" else subscriptions.on_unsubscribe
        handle(None, None, packet.packet_id, [_Granted()] * len(packet.filters), None)

    def screen(self, delivery: Delivery) -> list[Delivery]:
        """Mark a delivery that is surplus."""
        return self._screen.mark([delivery])

    # --- The part of paho's interface that the adapter uses ---------------------------------------------------------

    def subscribe(self, topic: list[tuple[str, Any]], properties: Any = None) -> tuple[int, int]:
        """Subscribe to filters; returns the packet id."""
        self._ids += 1
        numbers = () if properties is None else (properties.SubscriptionIdentifier,)
        # paho keeps a list, because a packet may have several.
        number = tuple(numbers[0]) if numbers and isinstance(numbers[0], list) else numbers
        self._send(Packet("subscribe", self._ids, filters=tuple(name for name, _ in topic), identifiers=number))
        return 0, self._ids

    def unsubscribe(self, topic: list[str]) -> tuple[int, int]:
        """End subscriptions; returns the packet id."""
        self._ids += 1
        self._send(Packet("unsubscribe", self._ids, filters=tuple(topic)))
        return 0, self._ids


def wanted(filters: Sequence[str], *, knows_identifiers: bool) -> set[str]:
    """Filters that a session is to be subscribed to."""
    return set(filters if knows_identifiers else uncovered(filters))
