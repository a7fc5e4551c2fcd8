"""Commits of the journal, acknowledgements, and checkpoints of the engine.

Messages are acknowledged once the transaction that journals them is durable, never before. While the disk is full or
the day's write budget is used up, commits wait and the daemon reports it; nothing is lost.

A checkpoint takes the state at one moment and is written piece by piece, one in each turn of the loop, so that a large
one does not delay the answers. Messages that are learned meanwhile are in the journal behind it.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence

from edgedescent.config import Config, describe
from edgedescent.daemon.batch import Batch, CommitPolicy
from edgedescent.daemon.checkpoint_policy import DAY_S, CheckpointPolicy
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.receipt_order import ReceiptOrder
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.errors import DiskFullError
from edgedescent.interfaces import Delivery, Transport
from edgedescent.state.checkpoints import CheckpointWriter
from edgedescent.state.store import Store
from edgedescent.state.write_budget import WriteBudget

log = logging.getLogger(__name__)

RUNNING, DISK_FULL, WRITES_SPENT = "running", "disk_full", "writes_spent"
"""States of the committer: working, or the reason for which commits wait."""
UNCONFIRMED_MAX = 1000
"""Most acknowledged commits whose confirmation is waited for; a later one stands for those before."""
DISK_FULL_RETRY_S = 1.0
"""Time between two attempts to write to a full disk."""


class Committer:
    """Collects learned messages, commits and acknowledges them, and saves checkpoints.

    Args:
        config: Configuration of the daemon.
        store: The state file.
        transport: Acknowledges the messages.
        clock: The clock.
        engine: The recovered engine, which is at the last position of the store.
        answered: Returns the position of the last answer sent.

    Attributes:
        state: `RUNNING`, `DISK_FULL` or `WRITES_SPENT`.
        counts: Numbers of commits, checkpoints and pauses.
        checkpoint_position: Position of the newest checkpoint.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        transport: Transport,
        clock: Clock,
        engine: Engine,
        answered: Callable[[], int],
    ) -> None:
        self._config = config.state
        self._store = store
        self._transport = transport
        self._clock = clock
        self._engine = engine
        self._answered = answered
        self._batch = Batch()
        self._policy = CommitPolicy(
            interval_s=self._config.commit_interval_s,
            messages_max=self._config.commit_messages,
            bytes_max=self._config.commit_bytes,
            window=transport.window,
        )
        self._order = None if config.limits.questions == "in_order" else ReceiptOrder()
        """Order of the acknowledgements, where messages are not learned in the order of receipt."""
        self._calls = 0
        """Number of calls of the transport's `acknowledge`."""
        self._unconfirmed: deque[tuple[int, int]] = deque(maxlen=UNCONFIRMED_MAX)
        """Calls that the broker is not known to have handled, with their last positions."""
        self.state = RUNNING
        self.counts = Counter(commits=0, checkpoints=0, disk_full=0, writes_spent=0)
        self._retry_at = 0.0
        self._checkpoint_wanted = False
        self._writer: CheckpointWriter | None = None
        """The checkpoint that is being written."""
        self._writing_since = 0.0
        self._ensured_position: int | None = None
        """Position that the newest checkpoint must have reached before an export."""
        self.checkpoint_position = engine.position
        now = clock.monotonic()
        self._checkpoint_policy = CheckpointPolicy(
            interval_s=self._config.checkpoint_interval_s,
            messages_max=self._config.checkpoint_events,
            age_max_s=min(DAY_S, self._config.journal_age_max_s or DAY_S),
            position=engine.position,
            now=now,
        )
        self.budget = self._make_budget(now)

    def _make_budget(self, now: float) -> WriteBudget:
        store = self._store
        if store.written_bytes is None:
            log.warning(
                "The kernel does not count the bytes written to the disk: they are neither bounded nor reported."
            )
        left, at = store.records.allowance or (None, 0.0)
        per_day = self._config.written_bytes_per_day_max
        return WriteBudget(per_day, lambda: store.written_bytes, now, left, self._clock.time() - at)

    # --- The batch ------------------------------------------------------------------------------------------------

    @property
    def uncommitted(self) -> int:
        """Number of messages that wait for the next commit."""
        return len(self._batch)

    @property
    def has_room(self) -> bool:
        """True if more messages may be received. The batch is bounded; the rest stays with the broker."""
        return self.state != DISK_FULL and not self._policy.is_full(self._batch)

    @property
    def due_in_s(self) -> float:
        """Seconds until there is something to write."""
        if self._writer is not None or self._store.has_unused_parts:
            return 0.0
        return max(self._policy.due_at(self._batch) - self._clock.monotonic(), 0.0)

    def received(self, deliveries: Sequence[Delivery]) -> None:
        """Record deliveries in the order of receipt."""
        if self._order is not None:
            self._order.received([one for one in deliveries if one.qos])

    def add(self, messages: Sequence[Message], deliveries: Sequence[Delivery]) -> None:
        """Add received messages to the batch, before or after they are learned."""
        self._batch.add(messages, deliveries, self._clock.monotonic())

    def add_tick(self, message: Message) -> None:
        """Add a tick to the batch: it is journaled, and nothing is acknowledged for it."""
        self._batch.add_tick(message, self._clock.monotonic())

    def note_learning(self, seconds: float) -> None:
        """Count time spent on learning, which recovery would have to spend again without a checkpoint."""
        self._checkpoint_policy.learned(seconds)

    # --- Commits and checkpoints ----------------------------------------------------------------------------------

    def commit(self) -> None:
        """Commit the batch to the journal, then acknowledge its messages.

        Raises:
            DiskFullError: If the disk is full. Nothing is acknowledged, and the commit can be tried again.
            StateError: If the commit fails for another reason.
        """
        batch = self._batch
        if not batch.deliveries:
            return
        if batch.messages:
            self._save_allowance()
            # Messages that arrive fast leave less time for the compression.
            hurry = self._clock.monotonic() - batch.first_at < self._config.commit_interval_s / 2
            size = self._store.append(batch.messages, self._answered(), hurry=hurry)
            self._checkpoint_policy.journaled(size)
            self.counts["commits"] += 1
        self._acknowledge(batch)
        self._policy.committed(batch, self._clock.monotonic())
        self._batch = Batch()

    def _acknowledge(self, batch: Batch) -> None:
        deliveries, position = batch.to_acknowledge(), batch.messages[-1].position if batch.messages else 0
        if self._order is not None:
            first = batch.messages[0].position if batch.messages else self._store.last_position + 1
            deliveries = self._order.durable([one for one in deliveries if one.qos], first)
            if self._order.first_held is not None:
                position = min(position, self._order.first_held - 1)
        self._calls += 1
        if self._transport.acknowledge(deliveries) and position:
            self._unconfirmed.append((self._calls, position))

    def note_confirmed(self) -> None:
        """Note up to which position the broker is known to have the acknowledgements."""
        position, confirmed = 0, self._transport.confirmed
        while self._unconfirmed and self._unconfirmed[0][0] <= confirmed:
            position = self._unconfirmed.popleft()[1]
        if position:
            self._store.note_acknowledged(position)

    def checkpoint(self, on_piece: Callable[[], None]) -> None:
        """Commit the batch, then save the complete state of the engine at once, also within a message.

        Args:
            on_piece: Called before each piece of it.

        Raises:
            DiskFullError: If the disk is full.
            StateError: If it fails for another reason.
        """
        if self._writer is None or self._writer.position != self._engine.position or self._engine.begun:
            # One that is being written is older, and of no use any more.
            self._begin_checkpoint()
        while self._writer is not None:
            on_piece()
            self._write_piece()

    def _begin_checkpoint(self) -> None:
        """Commit the batch, and take the state of the engine for a checkpoint."""
        self._writer = None
        self.commit()
        engine, now = self._engine, self._clock.monotonic()
        self._writer = self._store.begin_checkpoint(
            engine.state_dict(), engine.position, self._clock.time(), describe(engine.learner)
        )
        self._writing_since = now
        self._checkpoint_wanted = False

    def _write_piece(self) -> None:
        """Write the next piece of the checkpoint; where there is none, remove parts of former ones."""
        writer = self._writer
        self._save_allowance()
        if writer is None:
            if self._store.has_unused_parts:
                self._store.remove_unused_parts()
            return
        if not writer.write_piece():
            return
        self._writer = None
        self.counts["checkpoints"] += 1
        self.checkpoint_position = writer.position
        now = self._clock.monotonic()
        self._checkpoint_policy.written(writer.size, writer.position, now)
        log.info(
            "Checkpoint at message %d: %d bytes in %.3f s.", writer.position, writer.size, now - self._writing_since
        )

    def _save_allowance(self) -> None:
        """Save the rest of the write budget with the next transaction, so that a restart does not renew it."""
        self.budget.update(self._clock.monotonic())
        self._store.set_allowance(self.budget.left, self._clock.time())

    def save_memory(self) -> None:
        """Save what a later process must know of the broker's session, if it has changed.

        While the disk is full it is tried again.

        Raises:
            StateError: If it fails for another reason.
        """
        try:
            self._store.save_memory(self._transport.memory)
        except DiskFullError as error:
            self._pause_for_space(error)

    def request_checkpoint(self) -> None:
        """Save a checkpoint now, or as soon as the disk allows it."""
        self._checkpoint_wanted = True
        self.save(idle=False)

    def ensure_checkpoint(self) -> bool:
        """Request a checkpoint, unless the newest one is current.

        Returns:
            True once there is one that is as new as the first of these calls.
        """
        if self._ensured_position is None:
            self._ensured_position = self._engine.position
        wanted = self._ensured_position
        if wanted > (self.checkpoint_position if self._writer is None else self._writer.position):
            self.request_checkpoint()
        if wanted > self.checkpoint_position:
            return False
        self._ensured_position = None
        return True

    def save(self, *, idle: bool) -> None:
        """Commit, and write a piece of a checkpoint, if they are due and the disk may be written to.

        Args:
            idle: True if the last poll brought nothing.

        Raises:
            StateError: If it fails for another reason than a full disk.
        """
        now = self._clock.monotonic()
        if self.state == DISK_FULL and now < self._retry_at:
            return
        due = self._is_checkpoint_due(now) or self._policy.is_due(self._batch, now, idle=idle)
        has_pieces = self._writer is not None or self._store.has_unused_parts
        if not (due or has_pieces or self.state == DISK_FULL):
            return
        may_commit = self.may_write
        if due and not may_commit:
            self._pause_for_budget()
        # A checkpoint that was begun is one write, which the budget allowed.
        if not (may_commit or has_pieces):
            return
        try:
            if may_commit and (due or self.state == DISK_FULL):
                self.save_now()
            elif has_pieces:
                self._write_piece()
        except DiskFullError as error:
            self._pause_for_space(error)
        else:
            if may_commit:
                self._resume()

    @property
    def may_write(self) -> bool:
        """True if the write budget is not used up."""
        return self.budget.allows(self._clock.monotonic())

    def save_now(self) -> None:
        """Commit the batch, begin a checkpoint if one is due, or write a piece of it.

        Raises:
            DiskFullError: If the disk is full.
            StateError: If it fails for another reason.
        """
        if self._is_checkpoint_due(self._clock.monotonic()):
            self._begin_checkpoint()
            if self._writer is not None and self._writer.has_parts:
                # The copy of a large state took as long as a turn may.
                return
        else:
            self.commit()
        self._write_piece()

    def _is_checkpoint_due(self, now: float) -> bool:
        # Within a message, the answers to its first events are not sent yet.
        if self._writer is not None or self._engine.begun is not None:
            return False
        return self._checkpoint_wanted or self._checkpoint_policy.is_due(self._engine.position, now)

    # --- Pauses ---------------------------------------------------------------------------------------------------

    def _pause_for_budget(self) -> None:
        if self.state == RUNNING:
            self.state = WRITES_SPENT
            self.counts["writes_spent"] += 1
            log.warning(
                "The day's write budget is used up: commits wait, and messages that do not fit into memory wait with "
                "the broker. Raise `state.written_bytes_per_day_max` if you do not want this."
            )

    def _pause_for_space(self, error: DiskFullError) -> None:
        self._retry_at = self._clock.monotonic() + DISK_FULL_RETRY_S
        if self.state != DISK_FULL:
            self.state = DISK_FULL
            self.counts["disk_full"] += 1
            log.error("%s %s Until then no messages are received.", error, error.hint)

    def _resume(self) -> None:
        if self.state == DISK_FULL:
            log.info("The disk has free space again.")
        elif self.state == WRITES_SPENT and not self.budget.can_resume:
            return
        self.state = RUNNING
