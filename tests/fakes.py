"""A daemon whose transport, clock and export do as the test says, on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from edgedescent.adapters import Delivery
from edgedescent.config import Config, convert
from edgedescent.daemon.loop import Daemon
from edgedescent.daemon.snapshot_job import SnapshotJob
from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state.store import Store


class NoConfig(msgspec.Struct):
    """A transport that needs no configuration."""


class FakeTransport:
    """Delivers what the test puts in, and keeps what goes out."""

    Config: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init__(self, history: list[str]) -> None:
        self.connected = True
        self.arriving: list[list[bytes | Delivery]] = []
        self.qos = 1
        self.packet_id = 0
        self.window: int | None = 1000
        self.taking = True
        self.waited_s = 0.0
        self.published: list[tuple[str, bytes, bool]] = []
        self.acknowledged: list[bytes] = []
        self.closed = False
        self._history = history

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        assert timeout_s >= 0
        self.waited_s = timeout_s
        self.taking = take
        if not take or not self.arriving:
            return []
        deliveries = []
        for one in self.arriving.pop(0):
            self.packet_id += self.qos
            known = isinstance(one, Delivery)
            deliveries.append(one if known else Delivery("edgedescent/pump/events", one, self.packet_id, self.qos))
        return deliveries

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._history.append("acknowledge")
        self.acknowledged += [delivery.payload for delivery in deliveries]

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        if self.connected:
            self.published.append((topic, payload, retain))
        return self.connected

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        assert timeout_s > 0
        if if_quiet and self.arriving and self.arriving[0]:
            return False
        self.closed = True
        return True

    def of(self, name: str) -> list[Any]:
        """What was published to one of the device's topics."""
        return [json.loads(payload) for topic, payload, _ in self.published if topic == f"edgedescent/pump/{name}"]


class FakeClock:
    """Stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now + 1e9

    def monotonic(self) -> float:
        return self.now


class FakeJob(SnapshotJob):
    """An export that takes as long as the test wants."""

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


class WatchedStore(Store):
    """Notes what it is told to do, and fails when the test says so."""

    history: list[str]
    fault: StateError | None = None
    written = 0

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> None:
        self._may_fail()
        self.history.append("append")
        super().append(messages, answered, hurry=hurry)

    def checkpoint(self, *arguments: Any) -> int:
        self._may_fail()
        self.history.append("checkpoint")
        return super().checkpoint(*arguments)

    def _may_fail(self) -> None:
        if self.fault is not None:
            raise self.fault

    @property
    def written_bytes(self) -> int | None:
        return self.written


def event(i: int) -> bytes:
    return json.dumps({"id": f"e{i}", "x": {"a": i % 7, "b": i % 3}, "y": 2.0 * (i % 7)}).encode()


class World:
    """A daemon and all that surrounds it; `restart` makes another on the same folder."""

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
        """As after kill -9, if nothing was closed before."""
        self.history: list[str] = []
        self.transport = FakeTransport(self.history)
        self.store = WatchedStore(self.config.state.path, durability="process")
        self.store.history = self.history
        self.job = FakeJob()
        self.daemon = Daemon(self.config, self.transport, self.store, self.clock, self.job)

    def recover(self) -> World:
        self.daemon.recover()
        return self

    def receive(self, *payloads: bytes | Delivery) -> None:
        """One turn in which these arrive."""
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


Make = Callable[..., World]
