"""What was learned and is not durable yet, and when it is time to make it so."""

from __future__ import annotations

from collections.abc import Sequence

from edgedescent.adapters import Delivery
from edgedescent.engine.messages import Message

STALLS = 3
"""So many stalls in a row, each after as many messages, tell how many a broker sends ahead."""
PROBE_INTERVALS = 60
"""After so many intervals it is tried out whether the broker still sends no more ahead."""


class Batch:
    """Messages that wait for the next commit, with what is needed to acknowledge them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.deliveries: list[Delivery] = []
        self.bytes = 0
        self.unacknowledged = 0
        """How many of them the broker counts as sent ahead."""
        self.first_at = self.last_at = 0.0
        """When the oldest and the newest arrived, by the monotonic clock."""

    def __len__(self) -> int:
        return len(self.messages)

    def add(self, messages: Sequence[Message], deliveries: Sequence[Delivery], now: float) -> None:
        """Take in what one poll brought."""
        if not self.messages:
            self.first_at = now
        self.last_at = now
        self.messages += messages
        self.deliveries += deliveries
        self.bytes += sum(len(message.payload) for message in messages)
        self.unacknowledged += sum(1 for delivery in deliveries if delivery.qos)


class CommitPolicy:
    """Decides when a batch is to be committed: rarely, because each commit costs the disk; but in time.

    A broker sends only so many messages ahead before it waits for acknowledgements. The transport tells how many it
    asked for; a broker may send fewer, and says so nowhere. It is noticed by its silence: when again and again as many
    messages come at once, and then none until they are acknowledged.

    Args:
        interval_s: how long a message waits at most.
        messages_max: so many are committed at once.
        bytes_max: likewise.
        window: how many messages the broker may send ahead; None where it does not wait for us.

    Example:
        >>> rhythm, batch = CommitPolicy(interval_s=1.0, messages_max=100, bytes_max=10**6, window=4), Batch()
        >>> for now in (0.0, 0.1):
        ...     batch.add([Message(1, 0.0, "t", b"1")], [Delivery("t", b"1", 1, 1)], now)
        >>> rhythm.is_due(batch, 0.1, idle=False), rhythm.is_due(batch, 0.1, idle=True)
        (False, True)
    """

    def __init__(self, *, interval_s: float, messages_max: int, bytes_max: int, window: int | None) -> None:
        self._interval_s = interval_s
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._window = window
        self._ahead: int | None = None
        """How many the broker seems to send ahead, where that is less."""
        self._probe_at = 0.0
        self._stalls = self._stalled_at = 0

    def is_full(self, batch: Batch) -> bool:
        """Whether there is to be no more in a batch."""
        return len(batch) >= self._messages_max or batch.bytes >= self._bytes_max

    def due_at(self, batch: Batch) -> float:
        """When a batch is due at the latest; at once where it is, should nothing more arrive."""
        if not batch.messages:
            return float("inf")
        return batch.last_at if self._is_half_way(batch) else batch.first_at + self._interval_s

    def _is_half_way(self, batch: Batch) -> bool:
        """Whether half of what the broker may send ahead waits: while it is acknowledged, the rest is on its way."""
        return self._window is not None and batch.unacknowledged * 2 >= self._window

    def is_due(self, batch: Batch, now: float, *, idle: bool) -> bool:
        """Whether a batch is to be committed now; `idle` where nothing arrived in a while."""
        if not batch.messages:
            return False
        waiting = batch.unacknowledged
        if self._ahead is not None and waiting > self._ahead:
            self._ahead = None
        return (
            self.is_full(batch)
            or now >= batch.first_at + self._interval_s
            # The broker cannot send these again, and there is nothing to gather.
            or (idle and len(batch) > waiting)
            # The more at once, the better, but the broker must not come to stand still.
            or (self._is_half_way(batch) and idle)
            or (self._window is not None and waiting * 8 >= self._window * 7)
            or (self._ahead is not None and waiting == self._ahead and now < self._probe_at)
        )

    def committed(self, batch: Batch, now: float) -> None:
        """Learn from how a batch came about that was committed."""
        quiet_s = now - batch.last_at
        if not batch.unacknowledged or quiet_s < self._interval_s / 4:
            # It is too early to tell.
            return
        if batch.last_at - batch.first_at > quiet_s / 3:
            # They came all the time.
            self._ahead, self._stalls = None, 0
            return
        self._stalls = self._stalls + 1 if batch.unacknowledged == self._stalled_at else 1
        self._stalled_at = batch.unacknowledged
        if self._stalls >= STALLS:
            self._ahead, self._probe_at = batch.unacknowledged, now + PROBE_INTERVALS * self._interval_s
