"""Health of the daemon: its current state, reported to systemd, to Prometheus and over the broker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

import edgedescent
from edgedescent.config import Config
from edgedescent.daemon import logs
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import RUNNING
from edgedescent.daemon.systemd import SystemdNotifier

if TYPE_CHECKING:
    from edgedescent.daemon.metrics_server import MetricsServer

State = Literal["starting", "online", "catching_up", "disk_full", "writes_spent", "disconnected", "stopping"]
READY_TIMEOUT_S = 10.0
"""Time for which a start waits for the broker before systemd is notified that the daemon is ready without it."""
BEHIND_MESSAGES = 100
"""Number of messages in a turn that indicates a backlog."""
BEHIND_S = 1.0
"""Time over which every turn must indicate a backlog before the state becomes ``catching_up``."""

Publish = Callable[[bytes], bool]
"""Function that publishes a payload as the retained status; returns False if it cannot be sent now."""


class Health:
    """Derives the state of the daemon from its turns and reports it.

    Args:
        config: Configuration of the daemon.
        clock: The clock.
        systemd: Notifier for systemd; none by default.
    """

    def __init__(self, config: Config, clock: Clock, systemd: SystemdNotifier | None = None) -> None:
        self.state: State = "starting"
        self.since = clock.time()
        """Time of the last change of state, in seconds since 1970."""
        self.metrics: Callable[[], dict[str, Any]] = lambda: {"device": config.device}
        """Function that returns the metrics for Prometheus; set by the daemon."""
        self._clock = clock
        self._systemd = systemd or SystemdNotifier(None)
        self._ready = False
        self._ready_by: float | None = None
        self._busy_since: float | None = None
        self._connected = False
        self._announced = "online"
        self._server = self._listen(config.metrics.listen)

    def _listen(self, listen: str | None) -> MetricsServer | None:
        """Server for Prometheus, if one is configured."""
        if listen is None:
            return None
        # Devices that no Prometheus asks save the memory that it takes.
        from edgedescent.daemon.exposition import render
        from edgedescent.daemon.metrics_server import MetricsServer

        return MetricsServer(
            listen, lambda: render({**self.metrics(), **self.describe(), "connected": int(self._connected)})
        )

    def describe(self) -> dict[str, Any]:
        """State, time of its last change, and version of the daemon."""
        return {"state": self.state, "since": self.since, "version": edgedescent.__version__}

    @property
    def port(self) -> int | None:
        """Port of the metrics server; None if there is none."""
        return None if self._server is None else self._server.port

    # --- Calls from the loop --------------------------------------------------------------------------------------

    def on_recovered_message(self, position: int) -> None:
        """Report progress of the recovery.

        Args:
            position: Position of the message that was processed again.
        """
        self._systemd.extend_timeout()
        self._serve()
        if position % 1_000 == 0:
            self._systemd.status(f"Recovering from the journal, at message {position}.")

    def after_turn(
        self,
        arrived: int,
        publish: Publish,
        *,
        connected: bool,
        committer_state: str = RUNNING,
        saturated: bool = False,
    ) -> None:
        """Update and report the state after a turn of the loop.

        Args:
            arrived: Number of messages received in the turn.
            publish: Publishes the retained status.
            connected: True while connected to the broker.
            committer_state: State of the committer.
            saturated: True if more comes than the learner can bear.
        """
        now = self._clock.monotonic()
        self._systemd.progress()
        self._serve()
        if connected and not self._connected:
            # The transport itself publishes "online" on each new connection.
            self._announced = "online"
        self._connected = connected
        is_behind = arrived >= BEHIND_MESSAGES or saturated
        self._set_state(
            self._next_state(now, is_behind=is_behind, connected=connected, committer_state=committer_state)
        )
        if connected and self.state != self._announced and publish(self.status_message()):
            self._announced = self.state
        if not self._ready:
            self._ready_by = self._ready_by or now + READY_TIMEOUT_S
            if connected or now >= self._ready_by:
                self._ready = True
                self._systemd.ready()

    def report(self, metrics: dict[str, Any]) -> None:
        """Update the status line in systemd.

        Args:
            metrics: Current metrics of the daemon.
        """
        self._systemd.status(
            f"{self.state}: {metrics['messages']} messages, {metrics['events_learned']} events learned, "
            f"{metrics['dead_letters']} dead letters."
        )

    def after_metrics(self, publish: Publish) -> None:
        """Repeat what may have been missed; called each time the metrics are published.

        Args:
            publish: Publishes the retained status.
        """
        logs.report_suppressed()
        if self._connected and self.state != "online":
            # After a reconnection within a turn, which is not noticed here, the transport has published "online".
            publish(self.status_message())

    def status_message(self) -> bytes:
        """Payload of the retained status."""
        return json.dumps(self.describe()).encode()

    def stopping(self) -> None:
        """Report that the daemon is stopping, and ask systemd for time."""
        self._set_state("stopping")
        self._systemd.stopping()
        self._systemd.extend_timeout()

    def on_progress(self) -> None:
        """Ask systemd for time while a stop makes progress."""
        self._systemd.extend_timeout()

    def close(self) -> None:
        """Stop the metrics server."""
        if self._server is not None:
            self._server.close()

    # --- State ----------------------------------------------------------------------------------------------------

    def _next_state(self, now: float, *, is_behind: bool, connected: bool, committer_state: str) -> State:
        if not is_behind:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = now
        if committer_state != RUNNING:
            return cast(State, committer_state)
        if not connected:
            return "disconnected"
        behind = self._busy_since is not None and now - self._busy_since >= BEHIND_S
        return "catching_up" if behind else "online"

    def _set_state(self, state: State) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock.time()

    def _serve(self) -> None:
        if self._server is not None:
            self._server.serve()
