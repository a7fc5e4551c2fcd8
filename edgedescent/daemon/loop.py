"""The daemon: one thread, one loop around the engine.

Each turn reads what the broker has sent, learns it and publishes the answers. What was learned waits, with others, for
the next commit: one transaction makes many messages durable, and only then are they acknowledged. Whatever is due by
the clock follows: metrics, checkpoints, snapshots.
"""

from __future__ import annotations

import json
import logging
import math
import os
import resource
from collections.abc import Sequence
from typing import Any

from edgedescent.adapters import Delivery, Transport
from edgedescent.config import OUTPUTS, Config
from edgedescent.daemon import logs
from edgedescent.daemon.answers import Answers
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import RUNNING, Committer
from edgedescent.daemon.health import Health
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.daemon.status import StatusFile
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions
from edgedescent.errors import DiskFullError
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

POLL_S = 0.25
"""How long a turn waits for messages; signals and the clock are looked at in between."""
SETTLE_S = 2.0
"""How long a daemon that was asked to stop goes on, in search of a moment at which nothing is under way."""
BACKLOG_S = 0.05
"""After it acknowledged many, it waits so long for those that the broker sends in their place."""
CONFIRMATION_S = 0.005
"""What was published is confirmed in about that time."""
CLOSE_TIMEOUT_S = 3.0
NEWS_S = 1.0
"""The status tells a new state at once, but is not written more often than this for it."""
TICKS_PER_S = 1024
"""Messages carry the time in steps of this, which a float holds exactly: the journal packs it better."""


class Stopped(Exception):  # noqa: N818 - a request that was heeded, not a fault
    """The daemon was asked to stop before it had recovered."""


class Daemon:
    """An engine, its store and its transport, driven in turns.

    Args:
        config: what to run.
        transport: where messages come from and answers go.
        store: where the state lies; closed by `close`.
        clock: the time.
        snapshot_job: runs the export beside the daemon.
        health: tells others how the daemon is.
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
        self._sent = 0
        """Up to which position the answers that did not have to wait are out."""
        self._card: bytes | None = None
        self._status = StatusFile(config)
        self._told = ""
        """The state that the status tells of."""
        self._news_due = -math.inf

    def recover(self) -> None:
        """Bring the engine to where the journal ends; comes before the first turn.

        Raises:
            Stopped: if `stop` was called meanwhile. What is in the state folder is as good as before.
            StateError: if the state is another learner's, or nothing of it is usable.
        """
        store, config, answered = self._store, self._config, self._store.answered
        self._require_windows()

        def on_effect(position: int, effect: Effect) -> None:
            if self._stop_by is not None:
                raise Stopped
            self._health.recovering(position)
            # Answers that went out before the crash are not sent again; those that may not have are.
            if isinstance(effect, DeadLetter):
                store.bury(effect)
            elif position > answered:
                self._answers.keep(position, effect.payload)

        self.engine = recover(config, store, on_effect)
        self._sent = self.engine.position
        self._saver = Committer(config, store, self._transport, self._clock, self.engine, self._answered)
        now = self._clock.monotonic()
        self._metrics_due = now
        self._metrics_events = self._learned
        self._metrics_at = now
        self._snapshot_events = self._learned
        self._snapshot_due = now + (config.snapshots.every_s or float("inf"))
        self._health.metrics = self.metrics
        if self.engine.position:
            # So that whatever was run again, or was damaged, need not be dealt with at the next start.
            self._saver.checkpoint_soon()

    def _require_windows(self) -> None:
        window, remembered = self._transport.window, self._config.limits.redelivery_window
        if window is not None and window > remembered:
            log.warning(
                "The broker may send %d messages ahead, but `limits.redelivery_window` is %d: after a lost connection, "
                "events without ids may be learned twice.",
                window,
                remembered,
            )

    def _answered(self) -> int:
        """Up to which position the answers are out."""
        waiting = self._answers.first_waiting
        return self._sent if waiting is None else min(self._sent, waiting - 1)

    @property
    def state(self) -> str:
        """What it is about: starting, at work, or waiting for something."""
        return self._health.state if self._saver.state == RUNNING else self._saver.state

    @property
    def uncommitted(self) -> int:
        """How many messages wait for the next commit."""
        return self._saver.uncommitted

    @property
    def _learned(self) -> int:
        return self.engine.counters["events_learned"]

    # --- Turns ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Take turns until `stop` is called, then stop in good order.

        Raises:
            StateError: if something cannot be made durable, for another reason than a full disk. The broker keeps
                what was not acknowledged, and tells with the last will that the device is gone.
        """
        try:
            while self._stop_by is None:
                self.turn(POLL_S)
            self.close()
        except BaseException:
            self._job.stop()
            raise

    def stop(self) -> None:
        """End `run` at the next good moment, after two seconds at the latest."""
        if self._stop_by is None:
            self._stop_by = self._clock.monotonic() + SETTLE_S

    def request_snapshot(self) -> None:
        """Export a snapshot as soon as possible."""
        self._snapshot_wanted = True

    def turn(self, timeout_s: float) -> None:
        """Take in what has arrived, waiting at most `timeout_s` for it, and do what is due."""
        saver = self._saver
        # While what is due cannot be saved, there is no hurry.
        wait_s = min(timeout_s, saver.due_in_s) if saver.state == RUNNING else timeout_s
        n_arrived = self._take_in(wait_s)
        saver.save(idle=not n_arrived)
        self._health.turned(n_arrived, self._announce, connected=self._transport.connected, saving=saver.state)
        self._do_what_is_due()

    def _take_in(self, wait_s: float) -> int:
        """Learn and answer what arrives, waiting at most `wait_s` for it; how many messages there were."""
        deliveries = self._transport.poll(wait_s, take=self._saver.has_room)
        # A poll writes first: what was published before it is on its way.
        self._sent = self.engine.position
        if self._transport.connected:
            self._catch_up()
        if deliveries:
            self._learn(deliveries)
        return len(deliveries)

    def _learn(self, deliveries: Sequence[Delivery]) -> None:
        """Give messages their positions, learn them, and answer."""
        received_at = math.floor(self._clock.time() * TICKS_PER_S) / TICKS_PER_S
        first = self.engine.position + 1
        messages = [
            Message(first + i, received_at, one.topic, one.payload, one.packet_id, one.duplicate)
            for i, one in enumerate(deliveries)
        ]
        self._saver.add(messages, deliveries)
        for message in messages:
            if self._out_of_time:
                # It is committed with the others, and learned after the next start.
                return
            self._carry_out(message.position, self.engine.handle(message))

    @property
    def _out_of_time(self) -> bool:
        """Whether it was to stop by now."""
        return self._stop_by is not None and self._clock.monotonic() >= self._stop_by

    def _carry_out(self, position: int, effects: Sequence[Effect]) -> None:
        letters = 0
        for effect in effects:
            if isinstance(effect, Predictions):
                self._answers.send(position, effect.payload)
                continue
            self._store.bury(effect)
            letters += 1
            # A message may hold thousands: its first one stands for them in the log.
            if letters == 1:
                self._tell(effect)
        if letters > 1:
            log.warning("It is the first of %d dead letters kept from message %d.", letters, position)

    def _tell(self, letter: DeadLetter) -> None:
        log.warning(
            "Dead letter (%s) from %r: %s",
            letter.reason,
            letter.topic,
            letter.error,
            extra={"reason": letter.reason, "position": letter.position, "index": letter.index},
        )
        if log.isEnabledFor(logging.DEBUG):
            log.debug("It holds: %s", logs.payload(letter.payload))

    def _catch_up(self) -> None:
        """Send what had to wait for a connection."""
        self._answers.send_waiting()
        if self._card is not None and self._publish("snapshots", self._card, retain=True):
            self._card = None

    def close(self) -> None:
        """Save what was learned, tell the broker, and take leave of it."""
        self._health.stopping()
        self._job.stop()
        saver, saved = self._saver, False
        try:
            self._settle()
            saver.commit()
            saved = True
        except DiskFullError as error:
            log.error("%s The last %d messages stay with the broker.", error, saver.uncommitted)
        self._transport.close(CLOSE_TIMEOUT_S)
        try:
            if saved and self.engine.position > saver.checkpoint_position:
                saver.checkpoint()
        except DiskFullError as error:
            log.error("%s The next start runs the journal again.", error)
            saved = False
        self._store.close()
        self._health.close()
        log.info("Stopped at message %d%s.", self.engine.position, " with everything saved" if saved else "")

    def _settle(self) -> None:
        """Take in and commit what arrives, up to a moment at which nothing is under way.

        What the broker sends after the last acknowledgement, it sends again after the next start, unread as it was.

        Raises:
            DiskFullError: if there is no room.
        """
        saver, window, wait_s = self._saver, self._transport.window, 0.0
        # Each round may cost a commit, which nobody is to pay for beyond the day's allowance.
        while self._transport.connected and saver.may_write and not self._out_of_time:
            if self._take_in(wait_s):
                wait_s = 0.0
            elif saver.uncommitted:
                # As many as it may send ahead: there is more where they came from.
                wait_s = BACKLOG_S if window is not None and saver.uncommitted * 2 >= window else 0.0
                saver.save_now()
            elif self._transport.close(CLOSE_TIMEOUT_S, if_quiet=True):
                return
            else:
                wait_s = CONFIRMATION_S

    # --- What is due ----------------------------------------------------------------------------------------------

    def _do_what_is_due(self) -> None:
        now = self._clock.monotonic()
        snapshots = self._config.snapshots
        if now >= self._metrics_due:
            self._report(now)
        elif self._health.state != self._told and now >= self._news_due:
            # Whoever has just started the daemon asks how it is, not how it was before it was connected.
            self._news_due = now + NEWS_S
            self._tell_status(self.metrics())
        due = now >= self._snapshot_due or (
            snapshots.every_events is not None and self._learned - self._snapshot_events >= snapshots.every_events
        )
        if (due or self._snapshot_wanted) and not self._job.running and self._saver.want_checkpoint():
            self._snapshot_wanted = False
            self._snapshot_due = now + (snapshots.every_s or float("inf"))
            self._snapshot_events = self._learned
            self._job.start()
        if (card := self._job.poll()) is not None:
            self._card = json.dumps(card).encode()

    def metrics(self) -> dict[str, Any]:
        """Counters, errors and resources as they are published."""
        now = self._clock.monotonic()
        return {
            "device": self._config.device,
            "time": self._clock.time(),
            **self._health.describe(),
            "position": self.engine.position,
            **self.engine.metrics(),
            **self._saver.counts,
            "messages_uncommitted": self.uncommitted,
            "answers_waiting": len(self._answers),
            "answers_dropped": self._answers.dropped,
            "written_bytes_per_day": round(self._saver.budget.per_day(now)),
            "written_bytes": self._saver.budget.total,
            "written_bytes_left": round(self._saver.budget.left),
            "memory_bytes": resident_bytes(),
        }

    def _report(self, now: float) -> None:
        metrics = self.metrics()
        elapsed = now - self._metrics_at
        if elapsed > 0:
            metrics["events_per_second"] = round((self._learned - self._metrics_events) / elapsed, 1)
        self._metrics_events, self._metrics_at = self._learned, now
        self._metrics_due = now + self._config.metrics.interval_s
        self._publish("metrics", json.dumps(metrics).encode())
        self._health.reported(self._announce)
        self._tell_status(metrics)

    def _tell_status(self, metrics: dict[str, Any]) -> None:
        self._told = self._health.state
        self._health.tell(metrics)
        self._status.write({**metrics, "pid": os.getpid(), "connected": self._transport.connected})

    def _announce(self, payload: bytes) -> bool:
        return self._publish("status", payload, retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        return self._transport.publish(self._topics[topic], payload, retain=retain)


def resident_bytes() -> int:
    """The memory this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a Path would cost more than the read
        return int(file.read().split()[1]) * resource.getpagesize()
