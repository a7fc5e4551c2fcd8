"""Order of acknowledgements where messages are not handled in the order of their receipt."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edgedescent.interfaces import Delivery


class ReceiptOrder:
    """Holds back acknowledgements of durable messages, so that they leave in the order of receipt.

    MQTT demands it of those with QoS 1 (MQTT 5, section 4.6, MQTT-4.6.0-2).

    Example:
        >>> order = ReceiptOrder()
        >>> one, two, three = (Delivery("events", b"", packet_id=number, qos=1) for number in (1, 2, 3))
        >>> order.received([one, two, three])
        >>> order.durable([three], 1), order.first_held
        ([], 1)
        >>> [delivery.packet_id for delivery in order.durable([one, two], 2)], order.first_held
        ([1, 2, 3], None)
    """

    def __init__(self) -> None:
        self._received: deque[Delivery] = deque()
        """Deliveries that were not acknowledged."""
        self._durable: dict[tuple[int, int], int] = {}
        """Position from which on the messages of their commit stand, of deliveries in `_received`."""

    def __len__(self) -> int:
        return len(self._received)

    def received(self, deliveries: Sequence[Delivery]) -> None:
        """Record deliveries in the order of receipt."""
        self._received += deliveries

    def durable(self, deliveries: Sequence[Delivery], position: int) -> list[Delivery]:
        """Deliveries that may be acknowledged, once those given are in the journal.

        Args:
            deliveries: Deliveries that were recorded as received.
            position: Position of the first of them in the journal.
        """
        for one in deliveries:
            self._durable[_key(one)] = position
        ready: list[Delivery] = []
        while self._received and _key(self._received[0]) in self._durable:
            one = self._received.popleft()
            del self._durable[_key(one)]
            ready.append(one)
        return ready

    @property
    def first_held(self) -> int | None:
        """Position from which on messages are in the journal whose acknowledgements are held back; None if none is."""
        return min(self._durable.values(), default=None)


def _key(delivery: Delivery) -> tuple[int, int]:
    """Key of a delivery, which no other one has that is not acknowledged."""
    return delivery.generation, delivery.packet_id
