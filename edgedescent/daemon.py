"""The daemon: one thread, one loop around the engine.

Each turn reads what the broker has sent, makes it durable in one transaction, acknowledges it, learns it, and
publishes the answers. Whatever is due by the clock follows: metrics, checkpoints, snapshots.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from edgedescent import logs
from edgedescent.adapters import Transport, load_adapter
from edgedescent.clock import Clock, SystemClock
from edgedescent.config import OUTPUTS, Config, convert, describe
from edgedescent.files import replace_atomically
from edgedescent.health import Health
from edgedescent.lock import FolderLock
from edgedescent.messages import DeadLetter, Effect, Predictions
from edgedescent.recovery import recover
from edgedescent.snapshot_job import SnapshotJob
from edgedescent.status import FILE as STATUS_FILE
from edgedescent.status import runtime_folder
from edgedescent.store import Store
from edgedescent.supervisor import Supervisor

log = logging.getLogger(__name__)

POLL_S = 0.25
"""How long a turn waits for messages; signals and the clock are looked at in between."""
CLOSE_TIMEOUT_S = 3.0


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
        self._stopping = False
        self._snapshot_wanted = False
        self._unanswered: list[bytes] = []
        self._card: bytes | None = None
        self._status_written = True
        self._dropped = 0

    def recover(self) -> None:
        """Bring the engine to where the journal ends; comes before the first turn.

        Raises:
            Stopped: if `stop` was called meanwhile. What is in the state folder is as good as before.
            StateError: if the state is another learner's, or nothing of it is usable.
        """
        store, config, answered = self._store, self._config, self._store.answered

        def on_effect(position: int, effect: Effect) -> None:
            if self._stopping:
                raise Stopped
            self._health.recovering(position)
            # Answers that went out before the crash are not sent again; those that may not have are.
            if isinstance(effect, DeadLetter):
                store.bury(effect)
            elif position > answered:
                self._unanswered.append(effect.payload)

        self.engine = recover(config, store, on_effect)
        now = self._clock.monotonic()
        self._checkpoint_position = self.engine.position
        self._checkpoint_due = now + config.state.checkpoint_interval_s
        self._metrics_due = now
        self._metrics_events = self._learned
        self._metrics_at = now
        self._snapshot_events = self._learned
        self._snapshot_due = now + (config.snapshots.every_s or float("inf"))
        self._health.metrics = self.metrics
        if self.engine.position:
            # So that whatever was run again, or was damaged, need not be dealt with at the next start.
            self.checkpoint()

    @property
    def _learned(self) -> int:
        return self.engine.counters["events_learned"]

    # --- Turns ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Take turns until `stop` is called, then stop in good order.

        Raises:
            StateError: if something cannot be made durable. The broker keeps what was not acknowledged, and tells
                with the last will that the device is gone.
        """
        try:
            while not self._stopping:
                self.turn(POLL_S)
        except BaseException:
            self._job.stop()
            raise
        self.close()

    def stop(self) -> None:
        """End `run` after the turn at hand."""
        self._stopping = True

    def request_snapshot(self) -> None:
        """Export a snapshot as soon as possible."""
        self._snapshot_wanted = True

    def turn(self, timeout_s: float) -> None:
        """Take in what has arrived, waiting at most `timeout_s` for it, and do what is due."""
        deliveries = self._transport.poll(timeout_s)
        if self._transport.connected:
            self._catch_up()
        if deliveries:
            now = self._clock.time()
            messages = self._store.append(
                [(now, delivery.topic, delivery.payload) for delivery in deliveries], self.engine.position
            )
            self._transport.acknowledge(deliveries)
            for message in messages:
                if self._stopping:
                    # What is in the journal by now is learned after the next start.
                    return
                for effect in self.engine.handle(message):
                    self._carry_out(effect)
        self._do_what_is_due()
        self._health.turned(len(deliveries), self._announce, connected=self._transport.connected)

    def _catch_up(self) -> None:
        """Send what had to wait for a connection."""
        for payload in self._unanswered:
            self._answer(payload)
        self._unanswered.clear()
        if self._card is not None and self._publish("snapshots", self._card, retain=True):
            self._card = None

    def close(self) -> None:
        """Take leave of the broker, then save everything."""
        self._health.stopping()
        self._job.stop()
        self._transport.close(CLOSE_TIMEOUT_S)
        if self.engine.position > self._checkpoint_position:
            self.checkpoint()
        self._store.close()
        self._health.close()
        log.info("Stopped at message %d with everything saved.", self.engine.position)

    # --- What is due ----------------------------------------------------------------------------------------------

    def _do_what_is_due(self) -> None:
        now = self._clock.monotonic()
        state, snapshots = self._config.state, self._config.snapshots
        behind = self.engine.position - self._checkpoint_position
        if behind >= state.checkpoint_events or (behind and now >= self._checkpoint_due):
            self.checkpoint()
        if now >= self._metrics_due:
            self._report(now)
        due = now >= self._snapshot_due or (
            snapshots.every_events is not None and self._learned - self._snapshot_events >= snapshots.every_events
        )
        if (due or self._snapshot_wanted) and not self._job.running:
            self._snapshot_wanted = False
            self._snapshot_due = now + (snapshots.every_s or float("inf"))
            self._snapshot_events = self._learned
            if self.engine.position > self._checkpoint_position:
                self.checkpoint()
            self._job.start()
        if (card := self._job.poll()) is not None:
            self._card = json.dumps(card).encode()

    def checkpoint(self) -> None:
        """Save the engine's whole state."""
        started = self._clock.monotonic()
        size = self._store.checkpoint(
            self.engine.state_dict(), self.engine.position, self._clock.time(), describe(self.engine.learner)
        )
        self._checkpoint_position = self.engine.position
        now = self._clock.monotonic()
        self._checkpoint_due = now + self._config.state.checkpoint_interval_s
        log.info("Checkpoint at message %d: %d bytes in %.3f s.", self.engine.position, size, now - started)

    def metrics(self) -> dict[str, Any]:
        """Counters, errors and resources as they are published."""
        return {
            "device": self._config.device,
            "time": self._clock.time(),
            "position": self.engine.position,
            **self.engine.metrics(),
            "answers_dropped": self._dropped,
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
        self._health.reported(metrics, self._announce)
        status = {**metrics, **self._health.describe(), "pid": os.getpid(), "connected": self._transport.connected}
        path = runtime_folder(self._config) / STATUS_FILE
        try:
            # No sync: a status lost in a power cut tells nothing that is still true.
            replace_atomically(path, json.dumps(status).encode(), sync=False)
        except OSError as error:
            # Learning does not depend on it; told once, not at every interval.
            if self._status_written:
                log.error("The status cannot be written to %s: %s.", path, error.strerror)
            self._status_written = False
        else:
            self._status_written = True

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Predictions):
            self._answer(effect.payload)
        else:
            log.warning(
                "Dead letter (%s) from %r: %s",
                effect.reason,
                effect.topic,
                effect.error,
                extra={"reason": effect.reason, "position": effect.position, "index": effect.index},
            )
            if log.isEnabledFor(logging.DEBUG):
                log.debug("It holds: %s", logs.payload(effect.payload))
            self._store.bury(effect)

    def _answer(self, payload: bytes) -> None:
        if not self._publish("predictions", payload):
            self._dropped += 1

    def _announce(self, payload: bytes) -> bool:
        return self._publish("status", payload, retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        return self._transport.publish(self._topics[topic], payload, retain=retain)


def resident_bytes() -> int:
    """The memory this process holds."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a Path would cost more than the read
        return int(file.read().split()[1]) * resource.getpagesize()


def run(config: Config, config_path: str) -> None:
    """Run a daemon in this process until SIGTERM or SIGINT; SIGUSR1 exports a snapshot.

    Raises:
        ConfigError: if an adapter's part of the configuration is wrong.
        StateError: if the state folder is in use, damaged beyond use, or another learner's.
    """
    # Whatever is made from here on, by us, SQLite or the exporting child, is for its owner only.
    os.umask(0o077)
    transport = make_transport(config)
    clock = SystemClock()
    health = Health(config, clock, Supervisor.from_environment())
    with FolderLock(config.state.path, note=str(runtime_folder(config).resolve())):
        store = Store(
            config.state.path,
            durability=config.state.durability,
            journal_bytes_max=config.state.journal_bytes_max,
            dead_letters_max=config.state.dead_letters_max,
        )
        job = SnapshotJob(config_path, timeout_s=config.snapshots.timeout_s)
        daemon = Daemon(config, transport, store, clock, job, health)

        def on_stop(number: int, _frame: FrameType | None) -> None:
            log.info("%s received: stopping.", signal.Signals(number).name)
            daemon.stop()

        # Before the recovery, which may take a while: until then SIGUSR1 would end the process.
        signal.signal(signal.SIGTERM, on_stop)
        signal.signal(signal.SIGINT, on_stop)
        signal.signal(signal.SIGUSR1, lambda *_: daemon.request_snapshot())
        try:
            daemon.recover()
        except Stopped:
            store.close()
            log.info("Stopped before the journal was run again; nothing is lost.")
            return
        log.info(
            "Learning %s as %r from %s; state in %s.",
            daemon.engine.learner,
            config.device,
            ", ".join(config.event_topics()),
            Path(config.state.path).resolve(),
        )
        # What is here by now stays: looking through it again and again would hold up answers by 10 ms each time.
        gc.freeze()
        daemon.run()


def make_transport(config: Config) -> Transport:
    """The transport that a configuration describes, not yet connected.

    Raises:
        ConfigError: naming what is wrong.
    """
    adapter = load_adapter(config.transport, "transport")
    transport: Transport = adapter(
        convert(config.broker, adapter.Config, "broker"),
        device=config.device,
        topics=config.event_topics(),
        status_topic=config.topic("status"),
        bytes_max=config.limits.payload_bytes_max,
    )
    return transport


def check(config: Config) -> None:
    """Check the adapters' parts of a configuration.

    Raises:
        ConfigError: naming what is wrong.
    """
    make_transport(config)
