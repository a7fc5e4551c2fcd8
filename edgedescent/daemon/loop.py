"""Main loop of the daemon, in a single thread.

Each turn receives messages from the broker, learns them and publishes the answers. Learned messages are collected for
the next commit: one transaction makes many of them durable, and only then are they acknowledged. At the end of a turn,
tasks that are due by the clock run: metrics, checkpoints and snapshots.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgedescent.config import OUTPUTS, Config
from edgedescent.daemon import logs
from edgedescent.daemon.answers import Answers
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import RUNNING, Committer
from edgedescent.daemon.connections import Connections
from edgedescent.daemon.health import Health
from edgedescent.daemon.log_stream import dropped_lines
from edgedescent.daemon.notices import Notices
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.daemon.status import StatusFile
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions
from edgedescent.errors import DiskFullError
from edgedescent.interfaces import Delivery, Transport
from edgedescent.state.files import ProcFile
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

_STATM = ProcFile("statm")
POLL_S = 0.25
"""Longest time for which a turn waits for messages."""
DRAIN_S = 2.0
"""Longest time for which a stopping daemon continues, until a moment at which no message is on its way."""
BACKLOG_S = 0.05
"""Time for which a stopping daemon waits for more messages after acknowledging many."""
CONFIRMATION_S = 0.005
"""Typical time until the broker confirms a published message."""
CLOSE_TIMEOUT_S = 3.0
"""Longest time for closing the connection."""
STATUS_INTERVAL_S = 1.0
"""Shortest time between two status files that are written because the state changed."""
TICKS_PER_S = 1024
"""Resolution of the times of receipt. A float holds such times exactly, and the journal compresses them better."""


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
    """

    def __init__(
        self,
        config: Config,
        transport: Transport,
        store: Store,
        clock: Clock,
        snapshot_job: SnapshotJob,
        health: Health | None = None,
    ) -> None:
        self._config = config
        self._transport = transport
        self._store = store
        self._clock = clock
        self._job = snapshot_job
        self._health = health or Health(config, clock)
        self._topics = {name: config.topic(name) for name in OUTPUTS}
        self._stop_by: float | None = None
        self._snapshot_wanted = False
        self._answers = Answers(lambda payload: self._publish("predictions", payload), config.limits.answers_bytes_max)
        self._sent_position = 0
        """Position of the last answer sent, apart from those that wait for a connection."""
        self._too_large: Counter[str] = Counter()
        """Number of messages not sent because of their size, by output."""
        self._model_card: bytes | None = None
        """Model card of a new snapshot that is not published yet."""
        self._connections = Connections(transport, store)
        self._status = StatusFile(config)
        self._notices = Notices(config.limits)
        self._reported_state = ""
        """State in the last status file."""
        self._status_due = -math.inf

    def recover(self) -> None:
        """Recover the engine from the store. Must be called before the first turn.

        Raises:
            Stopped: If `stop` was called meanwhile. The state folder is then as good as before.
            StateError: If the state belongs to another learner, or nothing of it is usable.
        """
        store, config, answered = self._store, self._config, self._store.answered
        self._check_windows()

        def on_effect(position: int, effect: Effect) -> None:
            if self._stop_by is not None:
                raise Stopped
            self._health.on_recovered_message(position)
            # Answers known to be sent before the crash are not sent again; all others are.
            if isinstance(effect, DeadLetter):
                store.add_dead_letter(effect)
            elif position > answered:
                self._answers.keep(position, effect.payload)

        self._transport.resume(store.memory)
        self.engine = recover(config, store, on_effect)
        self._is_configured = False
        self._sent_position = self.engine.position
        self._committer = Committer(config, store, self._transport, self._clock, self.engine, self._answered)
        now = self._clock.monotonic()
        self._metrics_due = now
        self._metrics_events = self._learned
        self._metrics_at = now
        self._snapshot_events = self._learned
        self._snapshot_due = now + (config.snapshots.every_s or float("inf"))
        self._health.metrics = self.metrics
        if self.engine.position:
            # With a new checkpoint, the next start need not process the tail or handle damage again.
            self._committer.request_checkpoint()

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

    def _answered(self) -> int:
        """Position of the last answer sent."""
        waiting = self._answers.first_waiting
        return self._sent_position if waiting is None else min(self._sent_position, waiting - 1)

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

    # --- Turns ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run turns until `stop` is called, then close the daemon.

        Raises:
            StateError: If a commit or checkpoint fails for another reason than a full disk. The broker keeps the
                messages that were not acknowledged, and publishes the last will.
        """
        try:
            while self._stop_by is None:
                self.turn(POLL_S)
            self.close()
        except BaseException:
            self._job.stop()
            raise

    def stop(self) -> None:
        """Make `run` end once no message is on its way, after `DRAIN_S` seconds at the latest."""
        if self._stop_by is None:
            self._stop_by = self._clock.monotonic() + DRAIN_S

    def request_snapshot(self) -> None:
        """Export a snapshot as soon as possible."""
        self._snapshot_wanted = True

    def turn(self, timeout_s: float) -> None:
        """Receive and learn messages, and run the tasks that are due.

        Args:
            timeout_s: Longest time to wait for messages.
        """
        committer = self._committer
        # During a pause a commit may be overdue, which must not shorten the wait.
        wait_s = min(timeout_s, committer.due_in_s) if committer.state == RUNNING else timeout_s
        n_arrived = self._receive(wait_s)
        committer.save(idle=not n_arrived)
        self._health.after_turn(
            n_arrived, self._publish_status, connected=self._transport.connected, committer_state=committer.state
        )
        self._run_due_tasks()

    def _receive(self, wait_s: float) -> int:
        """Receive, learn and answer messages, waiting at most `wait_s` for them; returns their number."""
        deliveries = self._transport.poll(wait_s, take=self._committer.has_room)
        self._committer.save_memory()
        self._committer.note_confirmed()
        # A poll writes before it reads: answers published before it are sent now.
        self._sent_position = self.engine.position
        if self._transport.connected:
            self._answers.payload_bytes_max = self._transport.payload_bytes_max(self._topics["predictions"])
            self._send_waiting()
        if deliveries:
            self._learn(deliveries)
        return len(deliveries)

    def _learn(self, deliveries: Sequence[Delivery]) -> None:
        """Assign positions to messages, learn them and publish the answers."""
        received_at = math.floor(self._clock.time() * TICKS_PER_S) / TICKS_PER_S
        first = self.engine.position + 1
        messages = [
            Message(first + i, received_at, one.topic, one.payload, one.packet_id, one.duplicate)
            for i, one in enumerate([one for one in deliveries if not one.surplus])
        ]
        messages = self._connections.mark(messages, deliveries)
        self._committer.add(messages, deliveries)
        if not self._is_configured:
            # Not earlier: the state behind the last message must be the same whatever is configured now.
            self.engine.configure(**self._config.engine_settings().options())
            self._is_configured = True
        for message in messages:
            if self._is_stop_overdue:
                # The rest is committed with the batch, and recovery learns it at the next start.
                return
            self._apply(message.position, self.engine.handle(message), resent=message.duplicate)

    @property
    def _is_stop_overdue(self) -> bool:
        """True if the time limit of a requested stop has passed."""
        return self._stop_by is not None and self._clock.monotonic() >= self._stop_by

    def _apply(self, position: int, effects: Sequence[Effect], *, resent: bool) -> None:
        """Publish the predictions and keep the dead letters of a message."""
        n_dead_letters = 0
        for effect in effects:
            if isinstance(effect, Predictions):
                # If the answer was what ended the connection before, it must not prevent the acknowledgement again.
                self._answers.send(position, effect.payload, held=resent)
                continue
            self._store.add_dead_letter(effect)
            n_dead_letters += 1
            # A message may hold thousands of dead letters: only the first one is logged.
            if n_dead_letters == 1:
                self._log_dead_letter(effect)
        if n_dead_letters > 1:
            log.warning("It is the first of %d dead letters kept from message %d.", n_dead_letters, position)

    def _log_dead_letter(self, dead_letter: DeadLetter) -> None:
        log.warning(
            "Dead letter (%s) from %r: %s",
            dead_letter.reason,
            dead_letter.topic,
            dead_letter.error,
            extra={"reason": dead_letter.reason, "position": dead_letter.position, "index": dead_letter.index},
        )
        if log.isEnabledFor(logging.DEBUG):
            log.debug("Its payload: %s", logs.payload(dead_letter.payload))

    def _send_waiting(self) -> None:
        """Send what waits for a connection: answers and the model card of a new snapshot."""
        answers = self._answers
        answers.send_waiting(self._store.last_position)
        if answers.too_large and not self._too_large["predictions"]:
            self._too_large["predictions"] = 1
            log.warning(
                "The broker takes messages of at most %d bytes: the answer to one event is larger and not sent.",
                answers.payload_bytes_max,
            )
        if self._model_card is not None and self._publish("snapshots", self._model_card, retain=True):
            self._model_card = None

    def close(self) -> None:
        """Commit all messages, disconnect from the broker, save a checkpoint and close the store."""
        self._health.stopping()
        self._job.stop()
        committer, saved = self._committer, False
        try:
            self._drain()
            committer.commit()
            saved = True
            if self._transport.connected:
                # Some may have waited for the acknowledgement.
                self._send_waiting()
        except DiskFullError as error:
            log.error("%s The last %d messages stay with the broker.", error, committer.uncommitted)
        self._transport.close(CLOSE_TIMEOUT_S)
        committer.note_confirmed()
        try:
            if saved and self.engine.position > committer.checkpoint_position:
                committer.checkpoint()
        except DiskFullError as error:
            log.error("%s The next start recovers from the journal.", error)
            saved = False
        self._store.close()
        self._health.close()
        log.info("Stopped at message %d%s.", self.engine.position, " with everything saved" if saved else "")

    def _drain(self) -> None:
        """Receive and commit messages until none is on its way, then disconnect.

        Messages that the broker sends after the last acknowledgement are not read; it sends them again after the next
        start.

        Raises:
            DiskFullError: If the disk is full.
        """
        committer, window, wait_s = self._committer, self._transport.window, 0.0
        # Each round may need a commit, which must not exceed the write budget.
        while self._transport.connected and committer.may_write and not self._is_stop_overdue:
            if self._receive(wait_s):
                wait_s = 0.0
            elif committer.uncommitted:
                # A batch of half the window or more indicates that the broker has further messages.
                wait_s = BACKLOG_S if window is not None and committer.uncommitted * 2 >= window else 0.0
                committer.save_now()
            elif self._transport.close(CLOSE_TIMEOUT_S, if_quiet=True):
                return
            else:
                wait_s = CONFIRMATION_S

    # --- Tasks that are due by the clock --------------------------------------------------------------------------

    def _run_due_tasks(self) -> None:
        now = self._clock.monotonic()
        snapshots = self._config.snapshots
        if now >= self._metrics_due:
            self._report(now)
        elif self._health.state != self._reported_state and now >= self._status_due:
            # A change of state is reported at once, so that a status requested just after a start is not outdated.
            self._status_due = now + STATUS_INTERVAL_S
            self._write_status(self.metrics())
        due = now >= self._snapshot_due or (
            snapshots.every_events is not None and self._learned - self._snapshot_events >= snapshots.every_events
        )
        if (due or self._snapshot_wanted) and not self._job.running and self._committer.ensure_checkpoint():
            self._snapshot_wanted = False
            self._snapshot_due = now + (snapshots.every_s or float("inf"))
            self._snapshot_events = self._learned
            self._job.start()
        if (model_card := self._job.poll()) is not None:
            self._model_card = json.dumps(model_card).encode()

    def metrics(self) -> dict[str, Any]:
        """Metrics as they are published: counters, errors and resources."""
        now = self._clock.monotonic()
        return {
            "device": self._config.device,
            "time": self._clock.time(),
            **self._health.describe(),
            "position": self.engine.position,
            **self.engine.metrics(),
            **self._committer.counts,
            **self._transport.counts,
            "messages_uncommitted": self.uncommitted,
            "answers_waiting": len(self._answers),
            "answers_dropped": self._answers.dropped,
            "answers_split": self._answers.split,
            "publications_too_large": self._count_too_large(),
            "written_bytes_per_day": round(self._committer.budget.per_day(now)),
            "written_bytes": self._committer.budget.total,
            "written_bytes_left": round(self._committer.budget.left),
            "log_lines_dropped": dropped_lines(),
            "memory_bytes": resident_bytes(),
        }

    def _count_too_large(self) -> int:
        return self._answers.too_large + sum(n for topic, n in self._too_large.items() if topic != "predictions")

    def _report(self, now: float) -> None:
        # A commit notices it too, but without messages there is none.
        self._store.require_files()
        metrics = self.metrics()
        elapsed = now - self._metrics_at
        if elapsed > 0:
            metrics["events_per_second"] = round((self._learned - self._metrics_events) / elapsed, 1)
        self._metrics_events, self._metrics_at = self._learned, now
        self._metrics_due = now + self._config.metrics.interval_s
        self._publish("metrics", json.dumps(metrics).encode())
        self._notices.check(self.engine)
        self._health.after_metrics(self._publish_status)
        self._write_status(metrics)

    def _write_status(self, metrics: dict[str, Any]) -> None:
        self._reported_state = self._health.state
        self._health.report(metrics)
        left_out = self.engine.learner.left_out()
        self._status.write(
            {**metrics, "left_out": left_out, "pid": os.getpid(), "connected": self._transport.connected}
        )

    def _publish_status(self, payload: bytes) -> bool:
        return self._publish("status", payload, retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        name = self._topics[topic]
        if topic != "predictions" and len(payload) > (largest := self._transport.payload_bytes_max(name)):
            self._too_large[topic] += 1
            if self._too_large[topic] == 1:
                log.warning(
                    "The broker takes messages of at most %d bytes on %r: one of %d bytes is not sent, nor are later "
                    "ones of that size.",
                    largest,
                    name,
                    len(payload),
                )
            # Waiting would not make it smaller.
            return True
        return self._transport.publish(name, payload, retain=retain)


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None if the kernel does not tell it."""
    try:
        return int(_STATM.read().split()[1]) * resource.getpagesize()
    except OSError:
        return None
