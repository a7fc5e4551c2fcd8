"""Recognition of messages that nobody asked for."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.topics import matches

log = logging.getLogger(__name__)

TOPICS_MAX = 4096
"""Most topics that are remembered as matching a filter or none; beyond it they are matched anew."""


class Screen:
    """Marks deliveries as surplus that must be acknowledged but not handled.

    A session that outlives a change of the configuration may hold messages for filters that are gone.

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

    def mark(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Return the deliveries with those marked that are surplus.

        Args:
            deliveries: Deliveries in the order of arrival.
        """
        topics = {one.topic for one in deliveries}
        if topics <= self._known:
            return deliveries
        if len(self._known) + len(self._unasked) + len(topics) > TOPICS_MAX:
            self._known.clear()
            self._unasked.clear()
        for topic in topics - self._known - self._unasked:
            self._judge(topic)
        return [self._marked(one) for one in deliveries]

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

    def _marked(self, one: Delivery) -> Delivery:
        if one.topic not in self._unasked:
            return one
        self._counts["messages_unasked"] += 1
        return one.as_surplus()
