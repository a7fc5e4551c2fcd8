"""Intake: queue of messages that were received and are not in the journal yet.

A message gets its position when it leaves the intake, so that the order of the journal is the order of learning. Here
is decided, before a position is assigned, what is handled at all, and in which order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edgedescent.interfaces import Delivery

OVERHEAD_BYTES = 200
"""Memory that a delivery takes in addition to its payload."""
RESERVE = 4
"""Multiple of its size up to which an intake is filled where it has to be."""

Admission = Callable[[Sequence[Delivery], float], Sequence[Delivery]]
"""Rule that returns deliveries with those marked as surplus that are not to be handled (`Delivery.as_surplus`).

It is called with the deliveries of one poll, in order, and their time of receipt in seconds since 1970.
"""


class Portion(NamedTuple):
    """Deliveries that leave the intake together."""

    received_at: float
    """Time of their receipt, in seconds since 1970."""
    arrived_at: float
    """The same by the monotonic clock."""
    deliveries: Sequence[Delivery]
    bytes: int
    """Memory that they take."""


class Intake:
    """Queue of received deliveries, in order, or with those of a kind first.

    Deliveries of an earlier connection always come before those of a later one, because the engine learns with the
    first message of a connection what the broker may send again.

    Args:
        messages_max: Number of deliveries at which it is full.
        bytes_max: Memory that they take at which it is full.
        is_urgent: Returns True for a delivery that is taken before others; none is where it is None.
        admission: Rules for what is handled, applied in order at the time of receipt.

    Example:
        >>> intake = Intake(messages_max=10, bytes_max=1000, is_urgent=lambda one: one.payload == b"?")
        >>> _ = intake.add([Delivery("events", payload) for payload in (b"1", b"2", b"?")], 1e9, 5.0)
        >>> [[one.payload for one in intake.take().deliveries] for _ in range(3)]
        [[b'?'], [b'1'], [b'2']]
    """

    def __init__(
        self,
        *,
        messages_max: int,
        bytes_max: int,
        is_urgent: Callable[[Delivery], bool] | None = None,
        admission: Sequence[Admission] = (),
    ) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._is_urgent = is_urgent
        self._admission = tuple(admission)
        self._urgent: deque[Portion] = deque()
        self._others: deque[Portion] = deque()
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    @property
    def has_room(self) -> bool:
        """True if more messages may be received; the rest stays with the broker."""
        return self._count < self._messages_max and self._bytes < self._bytes_max

    @property
    def has_reserve(self) -> bool:
        """True if more may be received where that is the only way to what the broker sends behind them."""
        return self._bytes < self._bytes_max * RESERVE

    @property
    def oldest_at(self) -> float | None:
        """Time by the monotonic clock at which the oldest delivery arrived; None where there is none."""
        return min((queue[0].arrived_at for queue in (self._urgent, self._others) if queue), default=None)

    def add(self, deliveries: Sequence[Delivery], received_at: float, arrived_at: float) -> Sequence[Delivery]:
        """Add the deliveries of one poll.

        Args:
            deliveries: The deliveries, in order; at least one.
            received_at: Time of their receipt, in seconds since 1970.
            arrived_at: The same by the monotonic clock.

        Returns:
            The deliveries as they were added, with those marked that are not to be handled.
        """
        for rule in self._admission:
            deliveries = rule(deliveries, received_at)
        size = _size(deliveries)
        self._count += len(deliveries)
        self._bytes += size
        if self._is_urgent is None:
            self._others.append(Portion(received_at, arrived_at, deliveries, size))
            return deliveries
        for one in deliveries:
            queue = self._urgent if not one.surplus and self._is_urgent(one) else self._others
            queue.append(Portion(received_at, arrived_at, (one,), _size((one,))))
        return deliveries

    def take(self) -> Portion:
        """Take the next deliveries out: those of one poll, or a single one where some may be urgent.

        Raises:
            IndexError: If there is none.
        """
        urgent, others = self._urgent, self._others
        # Of two queues, the one whose next delivery came over the earlier connection goes first.
        is_first = urgent and (not others or _generation(urgent) <= _generation(others))
        portion = (urgent if is_first else others).popleft()
        self._count -= len(portion.deliveries)
        self._bytes -= portion.bytes
        return portion


def _size(deliveries: Sequence[Delivery]) -> int:
    """Memory that deliveries take in bytes."""
    return sum([len(one.payload) for one in deliveries]) + OVERHEAD_BYTES * len(deliveries)


def _generation(queue: deque[Portion]) -> int:
    """Number of the connection over which the next delivery came."""
    return queue[0].deliveries[0].generation
