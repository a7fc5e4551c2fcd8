"""Main loop of the daemon, in a single thread.

Each turn receives messages from the broker, learns for a short time and publishes the answers. Messages are collected
for the next commit: one transaction makes many of them durable, and only then are they acknowledged. At the end of a
turn, tasks that are due by the clock run: metrics, checkpoints and snapshots. So a stop, the watchdog and the
connection wait for a turn at most, however long a message takes to learn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from edgedescent.config import Config
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import RUNNING, Committer
from edgedescent.daemon.health import Health
from edgedescent.daemon.outputs import Outputs
from edgedescent.daemon.receiving import Receiver
from edgedescent.daemon.reports import Reports
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.daemon.status import StatusFile
from edgedescent.engine.messages import DeadLetter, Effect
from edgedescent.engine.packet_ids import REPEATED_MAX, latest_id_of
from edgedescent.engine.slicing import Slicer
from edgedescent.errors import DiskFullError
from edgedescent.interfaces import Transport
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

POLL_S = 0.25
"""Longest time for which a turn waits for messages."""
DRAIN_S = 2.0
"""Longest time for which a stopping daemon continues, until a moment at which no message is on its way."""
LEARN_S = 0.5
"""Time after which it stops learning if it is behind. What is left, the next start learns from the journal."""
BACKLOG_S = 0.05
"""Time for which a stopping daemon waits for more messages after acknowledging many."""
CONFIRMATION_S = 0.005
"""Typical time until the broker confirms a published message."""
CLOSE_TIMEOUT_S = 3.0
"""Longest time for closing the connection."""


class Stopped(Exception):  # noqa: N818 - not an error
    """The daemon was asked to stop before the recovery was complete."""


class Daemon:
    """Daemon that connects an engine, its store and a transport, and runs them in turns.

    Args:
        config: The configuration.
        transport: Receives messages and publishes answers.
        store: The state file; closed by `close`.
        clock: The clock.
        snapshot_job: Runs the export of snapshots.
        health: Reports the state of the daemon; one without systemd by default.
        slicer: Runs the engine; by default by the clock.
        status: The status file; one in the state folder by default.
    """

    def __init__(
        self,
        config: Config,
        transport: Transport,
        store: Store,
        clock: Clock,
        snapshot_job: SnapshotJob,
        health: Health | None = None,
        slicer: Slicer | None = None,
        status: StatusFile | None = None,
    ) -> None:
        self._config = config
        self._transport = transport
        self._store = store
        self._clock = clock
        self._job = snapshot_job
        self._health = health or Health(config, clock)
        self._slicer = slicer or Slicer(clock.monotonic)
        self._stopped_at: float | None = None
        self._snapshot_wanted = False
        self._status = status
        self._outputs = Outputs(config, transport, store, clock)
        self._sent_position = 0
        """Position up to which the answers were written to the connection."""

    def recover(self) -> None:
        """Recover the engine from the store. Must be called before the first turn.

        Raises:
            Stopped: If `stop` was called meanwhile. The state folder is then as good as before.
            StateError: If the state belongs to another learner, or nothing of it is usable.
        """
        store, config, answered = self._store, self._config, self._store.records.answered
        self._check_windows()

        def on_progress(position: int) -> None:
            if self._stopped_at is not None:
                raise Stopped
            self._health.on_recovered_message(position)

        def on_effect(position: int, effect: Effect) -> None:
            on_progress(position)
            # Answers and alarms known to be sent before the crash are not sent again; all others are.
            if isinstance(effect, DeadLetter):
                store.add_dead_letter(effect)
            elif position > answered:
                self._outputs.keep(position, effect)

        self.engine = engine = recover(config, store, on_effect, slicer=self._slicer, on_progress=on_progress)
        self._resume()
        self._note_sent()
        self._committer = Committer(config, store, self._transport, self._clock, engine, lambda: self._sent_position)
        self._receiver = Receiver(
            config,
            transport=self._transport,
            store=store,
            clock=self._clock,
            engine=engine,
            committer=self._committer,
            outputs=self._outputs,
            slicer=self._slicer,
        )
        self._reports = Reports(
            config,
            transport=self._transport,
            store=store,
            clock=self._clock,
            engine=engine,
            health=self._health,
            committer=self._committer,
            receiver=self._receiver,
            outputs=self._outputs,
            status=self._status,
        )
        self._snapshot_events = self._learned
        self._snapshot_due = self._clock.monotonic() + (config.snapshots.every_s or float("inf"))
        self._health.metrics = self.metrics
        if engine.position:
            # With a new checkpoint, the next start need not process the tail or handle damage again.
            self._committer.request_checkpoint()

    def _resume(self) -> None:
        """Tell the transport where the broker may go on."""
        ends = list(self._last_messages())
        last_packet_id = latest_id_of((packet_id, again) for _, packet_id, again in ends) if self.engine.position else 0
        repeated = [packet_id for position, packet_id, _ in ends if position > self._store.acknowledged and packet_id]
        self._transport.resume(self._store.memory, last_packet_id, repeated[::-1])

    def _last_messages(self) -> Iterator[tuple[int, int, bool]]:
        """Positions and packet ids at the end of the journal, the newest first, and whether they were sent again."""
        position = self.engine.position
        # Mostly the newest is enough. The others are read at once, because each reading unpacks a whole block.
        for after, up_to in ((position - 1, position), (max(position - REPEATED_MAX, 0), position - 1)):
            # Only what is needed of them: payloads may be large.
            found = [(one.position, one.packet_id, one.duplicate) for one in self._store.read(after=after, up_to=up_to)]
            for one in reversed(found):
                if one[0] != position:
                    return
                yield one
                position -= 1
            if found and self._store.acknowledged >= position and not found[-1][2]:
                return

    def _check_windows(self) -> None:
        """Log a warning if the broker may send more messages again than the engine recognizes."""
        window, remembered = self._transport.window, self._config.limits.redelivery_window
        if window is not None and window > remembered:
            log.warning(
                "The broker may send %d messages ahead, but `limits.redelivery_window` is %d: after a lost connection, "
                "events without ids may be learned twice.",
                window,
                remembered,
            )

    def _note_sent(self) -> None:
        """Note up to where answers and alarms were written: all that were published before, but not those that wait."""
        waiting = self._outputs.first_waiting
        self._sent_position = self.engine.position if waiting is None else waiting - 1

    @property
    def state(self) -> str:
        """Current state of the daemon."""
        return self._health.state if self._committer.state == RUNNING else self._committer.state

    @property
    def uncommitted(self) -> int:
        """Number of messages that wait for the next commit."""
        return self._committer.uncommitted

    @property
    def _learned(self) -> int:
        return self.engine.counters["events_learned"]

    def metrics(self) -> dict[str, Any]:
        """Metrics as they are published: counters, errors and resources."""
        return self._reports.metrics()

    # --- Turns ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run turns until `stop` is called, then close the daemon.

        Raises:
            StateError: If a commit or checkpoint fails for another reason than a full disk. The broker keeps the
                messages that were not acknowledged, and publishes the last will.
        """
        try:
            while self._stopped_at is None:
                self.turn(POLL_S)
            self.close()
        except BaseException:
            self._job.stop()
            raise

    def stop(self) -> None:
        """Make `run` end once no message is on its way, after `DRAIN_S` seconds at the latest."""
        if self._stopped_at is None:
            self._stopped_at = self._clock.monotonic()

    def request_snapshot(self) -> None:
        """Export a snapshot as soon as possible."""
        self._snapshot_wanted = True

    def turn(self, timeout_s: float) -> None:
        """Receive messages, learn for a short time, and run the tasks that are due.

        Args:
            timeout_s: Longest time to wait for messages.
        """
        committer, receiver = self._committer, self._receiver
        # During a pause a commit may be overdue, which must not shorten the wait.
        wait_s = min(timeout_s, committer.due_in_s) if committer.state == RUNNING else timeout_s
        n_arrived = self._receive(0.0 if self._may_learn else wait_s)
        if self._may_learn:
            receiver.learn()
        committer.save(idle=not (n_arrived or receiver.waits))
        self._health.after_turn(
            n_arrived,
            self._outputs.publish_status,
            connected=self._transport.connected,
            committer_state=committer.state,
            saturated=receiver.saturated,
        )
        self._run_due_tasks()

    @property
    def _may_learn(self) -> bool:
        """True if there is something to learn, and its answers can be sent.

        What confirms answers arrives behind other messages: without room for these, there is no use in waiting for it.
        """
        receiver = self._receiver
        return receiver.can_learn and not (self._outputs.holds() and receiver.intake.has_reserve)

    def _receive(self, wait_s: float) -> int:
        """Receive messages, waiting at most `wait_s` for them, and send what waits; returns their number."""
        committer, receiver = self._committer, self._receiver
        has_room = receiver.intake.has_room or (self._outputs.holds() and receiver.intake.has_reserve)
        deliveries = self._transport.poll(wait_s, take=committer.has_room and has_room)
        committer.save_memory()
        committer.note_confirmed()
        # A poll writes before it reads: answers published before it are sent now, those published from here on are not.
        self._note_sent()
        if self._transport.connected:
            self._outputs.send_waiting()
        if deliveries:
            receiver.add(deliveries)
        return len(deliveries)

    def close(self) -> None:
        """Commit all messages, disconnect from the broker, save a checkpoint and close the store."""
        self._health.stopping()
        self._job.stop()
        committer, saved = self._committer, False
        try:
            self._drain()
            self._leave_message()
            self._receiver.assign_all()
            committer.commit()
            saved = True
            if self._transport.connected:
                # Some may have waited for the acknowledgement.
                self._outputs.send_waiting()
        except DiskFullError as error:
            log.error("%s The last %d messages stay with the broker.", error, committer.uncommitted)
        self._transport.close(CLOSE_TIMEOUT_S)
        committer.note_confirmed()
        try:
            if saved and (self.engine.begun or self.engine.position > committer.checkpoint_position):
                committer.checkpoint(self._health.on_progress)
        except DiskFullError as error:
            log.error("%s The next start recovers from the journal.", error)
            saved = False
        self._store.close()
        self._health.close()
        log.info("Stopped at message %d%s.", self.engine.position, " with everything saved" if saved else "")

    def _drain(self) -> None:
        """Receive, learn and commit messages until none is on its way, then disconnect.

        Once there is no more time to learn, nothing is received: what the broker sends from then on is not
        acknowledged, and comes again after the next start. Otherwise that start would have to learn all of it before it
        receives anything.

        Raises:
            DiskFullError: If the disk is full.
        """
        committer, receiver, window, wait_s = self._committer, self._receiver, self._transport.window, 0.0
        # Each round may need a commit, which must not exceed the write budget.
        while self._transport.connected and committer.may_write and not self._is_overdue(DRAIN_S):
            busy = self._receive(wait_s) > 0
            if self._may_learn:
                receiver.learn()
                busy = True
                if receiver.waits and self._is_overdue(LEARN_S):
                    return
            if busy:
                wait_s = 0.0
            elif committer.uncommitted:
                # A batch of half the window or more indicates that the broker has further messages.
                wait_s = BACKLOG_S if window is not None and committer.uncommitted * 2 >= window else 0.0
                committer.save_now()
            elif self._outputs.first_waiting is None and self._transport.close(CLOSE_TIMEOUT_S, if_quiet=True):
                return
            else:
                wait_s = CONFIRMATION_S

    def _leave_message(self) -> None:
        """Send the answers so far to a message that was begun: the next start goes on behind its events."""
        if (begun := self.engine.begun) is not None:
            self._outputs.apply(begun, self.engine.leave())

    def _is_overdue(self, limit_s: float) -> bool:
        """True if a stop was requested so long ago."""
        return self._stopped_at is not None and self._clock.monotonic() - self._stopped_at >= limit_s

    # --- Tasks that are due by the clock --------------------------------------------------------------------------

    def _run_due_tasks(self) -> None:
        now = self._clock.monotonic()
        snapshots = self._config.snapshots
        self._outputs.announce()
        self._receiver.update(now)
        self._receiver.tick()
        self._reports.report_due(now)
        due = now >= self._snapshot_due or (
            snapshots.every_events is not None and self._learned - self._snapshot_events >= snapshots.every_events
        )
        if (due or self._snapshot_wanted) and not self._job.running and self._committer.ensure_checkpoint():
            self._snapshot_wanted = False
            self._snapshot_due = now + (snapshots.every_s or float("inf"))
            self._snapshot_events = self._learned
            self._job.start()
        if (model_cards := self._job.poll()) is not None:
            self._outputs.publish_model_cards(model_cards)
