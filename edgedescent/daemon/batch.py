"""Batch of messages for the next commit, and the policy that decides when it is committed."""

from __future__ import annotations

from collections.abc import Sequence

from edgedescent.engine.messages import Message
from edgedescent.interfaces import Delivery

STALLS = 3
"""Number of successive stalls, each after the same number of messages, that show how many a broker sends ahead."""
TICK = Delivery("", b"")
"""Stands for a tick among the deliveries."""
RETRY_INTERVALS = 60
"""Number of commit intervals after which it is tested whether the broker sends more messages ahead again."""


class Batch:
    """Messages of the next commit, with the deliveries that are acknowledged after it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.deliveries: list[Delivery] = []
        """Deliveries of the messages, and surplus ones, which are acknowledged in their turn."""
        self.bytes = 0
        """Total size of the payloads."""
        self.unacknowledged = 0
        """Number of deliveries with QoS 1 or 2, which the broker counts as sent ahead."""
        self.first_at = self.last_at = 0.0
        """Times of arrival of the oldest and the newest message, by the monotonic clock."""
        self.has_ticks = False
        """True if some of the messages are ticks, for which nothing is acknowledged."""

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, messages: Sequence[Message], deliveries: Sequence[Delivery], now: float) -> None:
        """Add the messages of one poll.

        Args:
            messages: The messages.
            deliveries: Their deliveries.
            now: Time of arrival, by the monotonic clock.
        """
        if not self.deliveries:
            self.first_at = now
        self.last_at = now
        self.messages += messages
        self.deliveries += deliveries
        self.bytes += sum(len(message.payload) for message in messages)
        self.unacknowledged += sum(1 for delivery in deliveries if delivery.qos)

    def add_tick(self, message: Message, now: float) -> None:
        """Add a tick.

        Args:
            message: The tick.
            now: The current time, by the monotonic clock.
        """
        self.add([message], [TICK], now)
        self.has_ticks = True

    def to_acknowledge(self) -> list[Delivery]:
        """Deliveries without those of ticks, which the broker did not send."""
        return [one for one in self.deliveries if one is not TICK] if self.has_ticks else self.deliveries


class CommitPolicy:
    """Policy that decides when a batch is committed: rarely, because each commit costs the disk, but in time.

    A broker sends only a limited number of messages ahead before it waits for acknowledgements. The transport knows
    the number that it asked for, but a broker may send fewer without announcing it. Such a broker is detected by
    repeated stalls: several times in a row the same number of messages arrives at once, and then none until they are
    acknowledged.

    Args:
        interval_s: Longest time for which a message waits for its commit.
        messages_max: Number of messages at which a batch is full.
        bytes_max: Size of the payloads at which a batch is full.
        window: Number of messages that the broker may send ahead; None if it does not wait for acknowledgements.

    Example:
        >>> policy, batch = CommitPolicy(interval_s=1.0, messages_max=100, bytes_max=10**6, window=4), Batch()
        >>> for now in (0.0, 0.1):
        ...     batch.add([Message(1, 0.0, "t", b"1")], [Delivery("t", b"1", 1, 1)], now)
        >>> policy.is_due(batch, 0.1, idle=False), policy.is_due(batch, 0.1, idle=True)
        (False, True)
    """

    def __init__(self, *, interval_s: float, messages_max: int, bytes_max: int, window: int | None) -> None:
        self._interval_s = interval_s
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._window = window
        self._ahead: int | None = None
        """Detected number of messages that the broker sends ahead, if it is smaller than the window."""
        self._retry_at = 0.0
        self._stalls = self._stalled_at = 0

    def is_full(self, batch: Batch) -> bool:
        """True if no more messages may be added to a batch."""
        return len(batch.deliveries) >= self._messages_max or batch.bytes >= self._bytes_max

    def due_at(self, batch: Batch) -> float:
        """Latest time of a batch's commit; the time of its newest message if it is due unless more arrives."""
        if not batch.deliveries:
            return float("inf")
        return batch.last_at if self._is_half_window_used(batch) else batch.first_at + self._interval_s

    def _is_half_window_used(self, batch: Batch) -> bool:
        """True if half of the window waits: while it is acknowledged, the broker sends the other half."""
        return self._window is not None and batch.unacknowledged * 2 >= self._window

    def is_due(self, batch: Batch, now: float, *, idle: bool) -> bool:
        """True if a batch is to be committed now.

        Args:
            batch: The batch.
            now: Time of the monotonic clock.
            idle: True if the last poll brought nothing.
        """
        if not batch.deliveries:
            return False
        unacknowledged = batch.unacknowledged
        if self._ahead is not None and unacknowledged > self._ahead:
            self._ahead = None
        return (
            self.is_full(batch)
            or now >= batch.first_at + self._interval_s
            # The broker cannot send messages of QoS 0 again, and waiting would not enlarge the batch.
            or (idle and len(batch.deliveries) > unacknowledged)
            # Large batches are cheaper, but the broker must not stall.
            or (self._is_half_window_used(batch) and idle)
            or (self._window is not None and unacknowledged * 8 >= self._window * 7)
            or (self._ahead is not None and unacknowledged == self._ahead and now < self._retry_at)
        )

    def committed(self, batch: Batch, now: float) -> None:
        """Update the estimate of how many messages the broker sends ahead, after a commit.

        Args:
            batch: The batch that was committed.
            now: Time of the monotonic clock.
        """
        quiet_s = now - batch.last_at
        if not batch.unacknowledged or quiet_s < self._interval_s / 4:
            # The pause was too short to show a stall.
            return
        if batch.last_at - batch.first_at > quiet_s / 3:
            # The messages arrived spread over time: the broker did not wait for acknowledgements.
            self._ahead, self._stalls = None, 0
            return
        self._stalls = self._stalls + 1 if batch.unacknowledged == self._stalled_at else 1
        self._stalled_at = batch.unacknowledged
        if self._stalls >= STALLS:
            self._ahead, self._retry_at = batch.unacknowledged, now + RETRY_INTERVALS * self._interval_s
