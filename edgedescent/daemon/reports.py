"""Reports of the daemon: its metrics over the broker and for Prometheus, and the status file."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.config import Config
from edgedescent.daemon._memory import release_free_pages
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import Committer
from edgedescent.daemon.details import details
from edgedescent.daemon.health import Health
from edgedescent.daemon.log_stream import dropped_lines
from edgedescent.daemon.notices import Notices
from edgedescent.daemon.outputs import Outputs
from edgedescent.daemon.receiving import Receiver
from edgedescent.daemon.status import StatusFile
from edgedescent.engine.core import Engine
from edgedescent.interfaces import Transport
from edgedescent.state.files import ProcFile
from edgedescent.state.store import Store

STATUS_INTERVAL_S = 1.0
"""Shortest time between two status files that are written because the state changed."""
RELEASE_INTERVAL_S = 2.0
"""Shortest time between two releases of free pages, most of which a busy daemon takes again at once."""
_STATM = ProcFile("statm")


class Reports:
    """Collects the metrics of the daemon and reports them when they are due.

    Args:
        config: The configuration.
        transport: The connection.
        store: The state file.
        clock: The clock.
        engine: The engine.
        health: State of the daemon.
        committer: Commits and checkpoints.
        receiver: Messages that wait to be learned.
        outputs: Publishes.
        status: The status file; one in the state folder by default.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        store: Store,
        clock: Clock,
        engine: Engine,
        health: Health,
        committer: Committer,
        receiver: Receiver,
        outputs: Outputs,
        status: StatusFile | None = None,
    ) -> None:
        self._config = config
        self._transport = transport
        self._store = store
        self._clock = clock
        self._engine = engine
        self._health = health
        self._committer = committer
        self._receiver = receiver
        self._outputs = outputs
        self._status = status or StatusFile(Path(config.state.path))
        self._notices = Notices(config.limits)
        self._reported_state = ""
        """State in the last status file."""
        self._reported_position = engine.position
        self._status_due = self._release_due = -math.inf
        self._due = self._at = self._started = clock.monotonic()
        self._events = engine.counters["events_learned"]

    def metrics(self) -> dict[str, Any]:
        """Metrics as they are published: counters, errors and resources."""
        now = self._clock.monotonic()
        budget = self._committer.budget
        return {
            "device": self._config.device,
            "time": self._clock.time(),
            **self._health.describe(),
            "position": self._engine.position,
            **self._engine.metrics(),
            **self._committer.counts,
            **self._transport.counts,
            **self._receiver.metrics(),
            "messages_uncommitted": self._committer.uncommitted,
            **self._outputs.metrics(),
            "written_bytes_per_day": round(budget.per_day(now)),
            "written_bytes": budget.total,
            "written_bytes_left": round(budget.left),
            "log_lines_dropped": dropped_lines(),
            "memory_bytes": resident_bytes(),
        }

    def report_due(self, now: float) -> None:
        """Report the metrics at their interval, and a change of state at once.

        Args:
            now: Time of the monotonic clock.

        Raises:
            StateError: If the files of the state were deleted.
        """
        if now >= self._due:
            self._report(now)
        elif now >= self._status_due and (self._health.state != self._reported_state or self._has_new(now)):
            # So that a status requested just after a start is not outdated.
            self._status_due = now + STATUS_INTERVAL_S
            self._write_status(self.metrics())

    def _has_new(self, now: float) -> bool:
        """True if something was learned since the last status, in the first interval after the start."""
        return (
            now < self._started + self._config.metrics.interval_s and self._engine.position != self._reported_position
        )

    def _report(self, now: float) -> None:
        # A commit notices it too, but without messages there is none.
        self._store.require_files()
        if now >= self._release_due:
            release_free_pages()
            self._release_due = now + RELEASE_INTERVAL_S
        metrics = self.metrics()
        elapsed = now - self._at
        learned = self._engine.counters["events_learned"]
        if elapsed > 0:
            metrics["events_per_second"] = round((learned - self._events) / elapsed, 1)
        self._events, self._at = learned, now
        self._due = now + self._config.metrics.interval_s
        self._publish(metrics)
        self._notices.check(self._engine)
        self._notices.check_load(metrics)
        self._health.after_metrics(self._outputs.publish_status)
        self._write_status(metrics)

    def _publish(self, metrics: dict[str, Any]) -> None:
        """Publish the metrics, with details for people who watch where the broker takes as much."""
        further = {}
        if self._config.metrics.details:
            further = details(self._engine, self._outputs.dead_letters, metrics["time"])
        payload = json.dumps({**metrics, **further}).encode()
        if further and len(payload) > self._transport.payload_bytes_max(self._config.topic("metrics")):
            payload = json.dumps(metrics).encode()
        self._outputs.publish("metrics", payload)

    def _write_status(self, metrics: dict[str, Any]) -> None:
        self._reported_state, self._reported_position = self._health.state, self._engine.position
        self._health.report(metrics)
        left_out = self._engine.heads.left_out()
        drift = msgspec.to_builtins(self._engine.latest_alarms)
        assembling = self._engine.assembling
        inputs = {} if assembling is None else {"silent": assembling.assembler.silent}
        self._status.write(
            {**metrics, "left_out": left_out, "drift": drift, "connected": self._transport.connected, **inputs}
        )


def resident_bytes() -> int | None:
    """Resident memory of this process in bytes; None if the kernel does not tell it."""
    try:
        return int(_STATM.read().split()[1]) * resource.getpagesize()
    except OSError:
        return None
