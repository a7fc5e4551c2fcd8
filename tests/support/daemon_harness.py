"""A daemon on a real store with a fake transport, clock and snapshot job."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgedescent.config import Config, convert
from edgedescent.daemon.loop import Daemon
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.interfaces import Delivery
from edgedescent.state.checkpoints import CheckpointWriter
from edgedescent.state.store import Store
from support.fake_clock import FakeClock
from support.fake_transport import FakeTransport


class FakeSnapshotJob(SnapshotJob):
    """Snapshot job that is under way as long as the test wants."""

    def __init__(self) -> None:
        super().__init__("none", timeout_s=1.0)
        self.started = 0
        self.under_way = False
        self.stopped = False
        self.card: dict[str, Any] | None = None

    @property
    def running(self) -> bool:
        return self.under_way

    def start(self) -> None:
        self.started += 1
        self.under_way = True

    def poll(self) -> dict[str, Any] | None:
        card, self.card = self.card, None
        self.under_way = self.under_way and card is None
        return card

    def stop(self) -> None:
        self.stopped = True


class RecordingStore(Store):
    """Store that records calls and fails with the test's error."""

    history: list[str]
    fault: StateError | None = None
    written = 0

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> int:
        self._may_fail()
        self.history.append("append")
        return super().append(messages, answered, hurry=hurry)

    def begin_checkpoint(self, *arguments: Any) -> CheckpointWriter:
        self._may_fail()
        self.history.append("checkpoint")
        return super().begin_checkpoint(*arguments)

    def _may_fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    @property
    def written_bytes(self) -> int | None:
        return self.written


def event(i: int) -> bytes:
    return json.dumps({"id": f"e{i}", "x": {"a": i % 7, "b": i % 3}, "y": 2.0 * (i % 7)}).encode()


class DaemonHarness:
    """A daemon with fake surroundings; `restart` makes another one on the same folder."""

    def __init__(self, folder: Path, **tables: Any) -> None:
        self.config: Config = convert(
            {
                "device": "pump",
                "learner": {"type": "LinearRegressor"},
                **tables,
                "state": {"path": str(folder), "durability": "process", **tables.get("state", {})},
            },
            Config,
        )
        self.clock = FakeClock()
        self.restart()

    def restart(self) -> None:
        """Make everything anew, as after kill -9 if nothing was closed before."""
        self.history: list[str] = []
        self.transport = FakeTransport(self.history)
        self.store = RecordingStore(self.config.state.path, durability="process")
        self.store.history = self.history
        self.job = FakeSnapshotJob()
        self.daemon = Daemon(self.config, self.transport, self.store, self.clock, self.job)

    def recover(self) -> DaemonHarness:
        self.daemon.recover()
        return self

    def receive(self, *payloads: bytes | Delivery) -> None:
        """Take one turn, in which these payloads arrive."""
        if payloads:
            self.transport.arriving.append(list(payloads))
        self.daemon.turn(0.0)

    def wait(self, seconds: float) -> None:
        """Let time pass, then take a turn in which nothing arrives."""
        self.clock.now += seconds
        self.receive()

    @property
    def learned(self) -> int:
        return self.daemon.engine.counters["events_learned"]


MakeHarness = Callable[..., DaemonHarness]
