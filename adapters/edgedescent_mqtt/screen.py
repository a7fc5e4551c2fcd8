"""Recognition of messages that nobody asked for, and of further copies of one message."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.session_record import Subscription
from edgedescent_mqtt.topics import is_shared, matches

log = logging.getLogger(__name__)

TOPICS_MAX = 4096
"""Most topics that are remembered as matching a filter or none; beyond it they are matched anew."""


class Screen:
    """Marks deliveries as surplus that must be acknowledged but not handled.

    A session that outlives a change of the configuration may hold messages for filters that are gone. And a broker may
    send a message once for each filter that it matches (MQTT 5, section 3.3.4). Subscription identifiers tell these
    copies apart: the one for the oldest subscription counts. It was there before the others, so a copy for it comes
    whenever one for them does.

    Args:
        filters: The configured filters.
        counts: Counts what is marked, by name.
    """

    def __init__(self, filters: Sequence[str], counts: Counter[str]) -> None:
        self._filters = tuple(filters)
        self._counts = counts
        self._known: set[str] = set()
        """Topics that match a filter."""
        self._unasked: set[str] = set()
        """Topics that match none."""
        self._last = ("", b"")
        """Topic and payload of the last delivery with subscription identifiers that counted."""
        self._numbers: set[int] = set()
        """Identifiers of that delivery and of its copies."""
        self._live = False
        """True if it came for a subscription that is known."""

    def mark(self, deliveries: list[Delivery], subscriptions: Sequence[Subscription]) -> list[Delivery]:
        """Return the deliveries with those marked that are surplus.

        Args:
            deliveries: Deliveries in the order of arrival.
            subscriptions: Subscriptions of the session.
        """
        topics = {one.topic for one in deliveries}
        if topics <= self._known and not any(one.subscriptions for one in deliveries):
            return deliveries
        if len(self._known) + len(self._unasked) + len(topics) > TOPICS_MAX:
            self._known.clear()
            self._unasked.clear()
        for topic in topics - self._known - self._unasked:
            self._judge(topic)
        return [self._marked(one, subscriptions) for one in deliveries]

    def _judge(self, topic: str) -> None:
        if any(matches(name, topic) for name in self._filters):
            self._known.add(topic)
            return
        self._unasked.add(topic)
        log.warning(
            "Messages to %r match no filter of `topics.events` and are not learned: the broker still holds an earlier "
            "subscription, or messages for one.",
            topic,
        )

    def _marked(self, one: Delivery, subscriptions: Sequence[Subscription]) -> Delivery:
        if one.topic in self._unasked:
            self._counts["messages_unasked"] += 1
        elif one.subscriptions and self._is_copy(one, subscriptions):
            self._counts["messages_copied"] += 1
        else:
            return one
        return one.as_surplus()

    def _is_copy(self, one: Delivery, subscriptions: Sequence[Subscription]) -> bool:
        numbers = one.subscriptions
        live = [
            known for known in subscriptions if known.granted and not known.leaving and matches(known.name, one.topic)
        ]
        ours = [known.number for known in live if known.number in numbers]
        # Of a shared subscription only a part comes to this device: no other copy can be left out for it.
        if ours and any(known.number < min(ours) for known in live if not is_shared(known.name)):
            return True
        # Messages that waited for a filter that is gone carry its number. Their copies follow each other.
        message = (one.topic, one.payload)
        if message == self._last and self._numbers.isdisjoint(numbers) and not (ours and self._live):
            self._numbers.update(numbers)
            return True
        self._last, self._numbers, self._live = message, set(numbers), bool(ours)
        return False
