"""How the daemon is, told to everybody who wants to know: the supervisor, Prometheus, and the broker's listeners."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, cast

import edgedescent
from edgedescent.config import Config
from edgedescent.daemon import logs
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import RUNNING
from edgedescent.daemon.exposition import render
from edgedescent.daemon.metrics_server import MetricsServer
from edgedescent.daemon.systemd import SystemdNotifier

State = Literal["starting", "online", "catching_up", "disk_full", "writes_spent", "disconnected", "stopping"]
READY_PATIENCE_S = 10.0
"""How long a start waits for the broker. A missing one is no fault of the daemon: others need not wait for it."""
BEHIND_MESSAGES = 100
BEHIND_S = 1.0
"""Where every turn for so long brings so many messages, they were waiting: answers are about the past."""

Publish = Callable[[bytes], bool]


class Health:
    """Follows the daemon's turns, and says what has become of it.

    Args:
        config: of the daemon.
        clock: the time.
        supervisor: who started the daemon.
    """

    def __init__(self, config: Config, clock: Clock, supervisor: SystemdNotifier | None = None) -> None:
        self.state: State = "starting"
        self.since = clock.time()
        """Since when, in seconds since 1970."""
        self.metrics: Callable[[], dict[str, Any]] = lambda: {"device": config.device}
        """What to tell Prometheus; the daemon sets it."""
        self._clock = clock
        self._supervisor = supervisor or SystemdNotifier(None)
        self._ready = False
        self._ready_by: float | None = None
        self._busy_since: float | None = None
        self._connected = False
        self._announced = "online"
        listen = config.metrics.listen
        self._server = None if listen is None else MetricsServer(listen, self._page)

    def describe(self) -> dict[str, Any]:
        """The state, since when it has been so, and the daemon's version."""
        return {"state": self.state, "since": self.since, "version": edgedescent.__version__}

    @property
    def port(self) -> int | None:
        """Where the metrics can be read; None where they cannot."""
        return None if self._server is None else self._server.port

    # --- What happens to the daemon -------------------------------------------------------------------------------

    def recovering(self, position: int) -> None:
        """A message of the journal was run again."""
        self._supervisor.still_starting()
        self._serve()
        if position % 1_000 == 0:
            self._supervisor.status(f"Running the journal again, at message {position}.")

    def turned(self, arrived: int, publish: Publish, *, connected: bool, saving: str = RUNNING) -> None:
        """A turn has done its work: what arrived is learned, and saved if it was time to.

        Args:
            arrived: how many messages it brought.
            publish: sends a status to the broker, to be retained.
            connected: whether there is a broker.
            saving: what becomes of what was learned: `RUNNING`, or what the daemon waits for.
        """
        now = self._clock.monotonic()
        self._supervisor.progress()
        self._serve()
        if connected and not self._connected:
            # The transport itself tells of a new connection, with this word.
            self._announced = "online"
        self._connected = connected
        self._become(self._judge(arrived, now, connected=connected, saving=saving))
        if connected and self.state != self._announced and publish(self.announcement()):
            self._announced = self.state
        if not self._ready:
            self._ready_by = self._ready_by or now + READY_PATIENCE_S
            if connected or now >= self._ready_by:
                self._ready = True
                self._supervisor.ready()

    def tell(self, metrics: dict[str, Any]) -> None:
        """Tell the supervisor in a line how the daemon is."""
        self._supervisor.status(
            f"{self.state}: {metrics['messages']} messages, {metrics['events_learned']} events learned, "
            f"{metrics['dead_letters']} dead letters."
        )

    def reported(self, publish: Publish) -> None:
        """The metrics were published; the time to tell again what may not have been heard."""
        logs.tell_left_out()
        if self._connected and self.state != "online":
            # A connection that broke and was made again within a turn went unseen: "online" was said over it.
            publish(self.announcement())

    def announcement(self) -> bytes:
        """The status as it is published."""
        return json.dumps(self.describe()).encode()

    def stopping(self) -> None:
        """The daemon is on its way out, which may take a while."""
        self._become("stopping")
        self._supervisor.stopping()
        self._supervisor.still_starting()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    # --- Inside ---------------------------------------------------------------------------------------------------

    def _judge(self, arrived: int, now: float, *, connected: bool, saving: str) -> State:
        if arrived < BEHIND_MESSAGES:
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = now
        if saving != RUNNING:
            return cast(State, saving)
        if not connected:
            return "disconnected"
        behind = self._busy_since is not None and now - self._busy_since >= BEHIND_S
        return "catching_up" if behind else "online"

    def _become(self, state: State) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock.time()

    def _serve(self) -> None:
        if self._server is not None:
            self._server.serve()

    def _page(self) -> bytes:
        return render({**self.metrics(), **self.describe(), "connected": int(self._connected)})
