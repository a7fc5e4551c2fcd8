"""From learned to saved: when messages are committed and acknowledged, and the engine's state is kept.

Messages are acknowledged when the transaction that journals them is durable, never before. A full disk, or a day's
allowance of written bytes that is used up, makes everything wait, and is told; nothing is lost by it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from edgedescent.adapters import Delivery, Transport
from edgedescent.config import Config, describe
from edgedescent.daemon.batch import Batch, CommitPolicy
from edgedescent.daemon.clock import Clock
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.errors import DiskFullError
from edgedescent.state.store import Store
from edgedescent.state.write_budget import WriteBudget

log = logging.getLogger(__name__)

RUNNING, DISK_FULL, WRITES_SPENT = "running", "disk_full", "writes_spent"
"""What everything waits for, if it does."""
ROOM_RETRY_S = 1.0
"""How long to wait until a full disk is tried again."""


class Committer:
    """Keeps what was learned until the next commit, and decides when that is.

    Args:
        config: how much, how often, how durably.
        store: where it is saved.
        transport: what acknowledges.
        clock: the time.
        engine: whose state is saved; recovered, and one with the store.
        answered: tells up to which position the answers are out.

    Attributes:
        state: `RUNNING`, or what everything waits for.
        counts: how often it committed, and had to wait for what.
        checkpoint_position: up to which message the newest checkpoint reaches.
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
        self._rhythm = CommitPolicy(
            interval_s=self._config.commit_interval_s,
            messages_max=self._config.commit_messages,
            bytes_max=self._config.commit_bytes,
            window=transport.window,
        )
        self.state = RUNNING
        self.counts = Counter(commits=0, checkpoints=0, disk_full=0, writes_spent=0)
        self._retry_at = 0.0
        self._checkpoint_wanted = False
        self.checkpoint_position = engine.position
        now = clock.monotonic()
        self._checkpoint_due = now + self._config.checkpoint_interval_s
        self.budget = self._make_budget(now)

    def _make_budget(self, now: float) -> WriteBudget:
        store = self._store
        if store.written_bytes is None:
            log.warning("The kernel does not tell how much is written to the disk: it is neither bounded nor reported.")
        left, at = store.allowance or (None, 0.0)
        per_day = self._config.written_bytes_per_day_max
        return WriteBudget(per_day, lambda: store.written_bytes, now, left, self._clock.time() - at)

    # --- What waits -----------------------------------------------------------------------------------------------

    @property
    def uncommitted(self) -> int:
        """How many messages wait for the next commit."""
        return len(self._batch)

    @property
    def has_room(self) -> bool:
        """Whether more may be taken in. What waits is bounded: the rest stays with the broker."""
        return self.state != DISK_FULL and not self._rhythm.is_full(self._batch)

    @property
    def due_in_s(self) -> float:
        """How long the next commit can wait."""
        return max(self._rhythm.due_at(self._batch) - self._clock.monotonic(), 0.0)

    def add(self, messages: Sequence[Message], deliveries: Sequence[Delivery]) -> None:
        """Take in messages that are learned, or about to be."""
        self._batch.add(messages, deliveries, self._clock.monotonic())

    # --- Saving ---------------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Make durable what waits, then acknowledge it.

        Raises:
            DiskFullError: if there is no room. Nothing is acknowledged, and it can be tried again.
            StateError: if it cannot be done for another reason.
        """
        batch = self._batch
        if not batch.messages:
            return
        self._keep_allowance()
        # Where a batch gathers fast, time is what is short.
        hurry = self._clock.monotonic() - batch.first_at < self._config.commit_interval_s / 2
        self._store.append(batch.messages, self._answered(), hurry=hurry)
        self.counts["commits"] += 1
        self._transport.acknowledge(batch.deliveries)
        self._rhythm.committed(batch, self._clock.monotonic())
        self._batch = Batch()

    def checkpoint(self) -> None:
        """Save the engine's whole state, and before that whatever led to it.

        Raises:
            DiskFullError: if there is no room.
            StateError: if it cannot be done for another reason.
        """
        self.commit()
        self._keep_allowance()
        engine, started = self._engine, self._clock.monotonic()
        size = self._store.checkpoint(
            engine.state_dict(), engine.position, self._clock.time(), describe(engine.learner)
        )
        self.counts["checkpoints"] += 1
        self.checkpoint_position = engine.position
        self._checkpoint_wanted = False
        now = self._clock.monotonic()
        self._checkpoint_due = now + self._config.checkpoint_interval_s
        log.info("Checkpoint at message %d: %d bytes in %.3f s.", engine.position, size, now - started)

    def _keep_allowance(self) -> None:
        """With the next transaction, so that a restart is no new day."""
        self.budget.settle(self._clock.monotonic())
        self._store.keep_allowance(self.budget.left, self._clock.time())

    def checkpoint_soon(self) -> None:
        """Save the engine's state now, or as soon as the disk allows it."""
        self._checkpoint_wanted = True
        self.save(idle=False)

    def want_checkpoint(self) -> bool:
        """Whether all that was learned is in a checkpoint; if not, it is as soon as the disk allows it."""
        if self._engine.position > self.checkpoint_position:
            self.checkpoint_soon()
        return self._engine.position == self.checkpoint_position

    def save(self, *, idle: bool) -> None:
        """Commit and checkpoint if it is time to and the disk may be written to.

        Args:
            idle: whether nothing arrived in a while.

        Raises:
            StateError: if it cannot be done, for another reason than a full disk.
        """
        now = self._clock.monotonic()
        if self.state == DISK_FULL and now < self._retry_at:
            return
        due = self._is_checkpoint_due(now) or self._rhythm.is_due(self._batch, now, idle=idle)
        if not (due or self.state == DISK_FULL):
            return
        if not self.may_write:
            self._wait_for_allowance()
            return
        try:
            self.save_now()
        except DiskFullError as error:
            self._wait_for_room(error)
        else:
            self._go_on()

    @property
    def may_write(self) -> bool:
        """Whether the day's allowance leaves anything to write."""
        return self.budget.allows(self._clock.monotonic())

    def save_now(self) -> None:
        """Commit what waits, with a checkpoint where one is due, as long as the disk takes it.

        Raises:
            DiskFullError: if there is no room.
            StateError: if it cannot be done for another reason.
        """
        if self._is_checkpoint_due(self._clock.monotonic()):
            self.checkpoint()
        else:
            self.commit()

    def _is_checkpoint_due(self, now: float) -> bool:
        behind = self._engine.position - self.checkpoint_position
        due = behind >= self._config.checkpoint_events or now >= self._checkpoint_due
        return self._checkpoint_wanted or (behind > 0 and due)

    # --- Waiting --------------------------------------------------------------------------------------------------

    def _wait_for_allowance(self) -> None:
        if self.state == RUNNING:
            self.state = WRITES_SPENT
            self.counts["writes_spent"] += 1
            log.warning(
                "What may be written to the disk in a day is used up: commits wait, and what does not fit into memory "
                "waits with the broker. Raise `state.written_bytes_per_day_max` if that is not what you want."
            )

    def _wait_for_room(self, error: DiskFullError) -> None:
        self._retry_at = self._clock.monotonic() + ROOM_RETRY_S
        if self.state != DISK_FULL:
            self.state = DISK_FULL
            self.counts["disk_full"] += 1
            log.error("%s %s Until then nothing is taken in.", error, error.hint)

    def _go_on(self) -> None:
        if self.state == DISK_FULL:
            log.info("There is room on the disk again.")
        elif self.state == WRITES_SPENT and not self.budget.is_eased:
            return
        self.state = RUNNING
