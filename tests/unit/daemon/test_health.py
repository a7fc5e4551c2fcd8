"""What the daemon says of its state, driven turn by turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import World

import edgedescent
from edgedescent.daemon.commit import DISK_FULL
from edgedescent.daemon.health import BEHIND_MESSAGES, BEHIND_S, READY_PATIENCE_S, Health
from edgedescent.daemon.loop import NEWS_S
from edgedescent.daemon.systemd import SystemdNotifier
from edgedescent.errors import StateError

EVENT = b'{"x": {"temp": 20}, "y": 3}'


class Noting(SystemdNotifier):
    """Notes what systemd would be told."""

    def __init__(self) -> None:
        super().__init__("nowhere", 20.0)
        self.told: list[str] = []

    def _send(self, message: str) -> None:
        self.told.append(message)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return supervised(World(tmp_path))


def supervised(world: World) -> World:
    world.supervisor = Noting()  # type: ignore[attr-defined]
    world.daemon._health = Health(world.config, world.clock, world.supervisor)  # type: ignore[attr-defined]
    return world


def told(world: World) -> list[str]:
    supervisor: Noting = world.supervisor  # type: ignore[attr-defined]
    return [line for line in supervisor.told if not line.startswith(("STATUS=", "EXTEND"))]


def states(world: World) -> list[Any]:
    return [status["state"] for status in world.transport.of("status")]


def test_it_is_ready_when_it_has_recovered_and_is_connected(world: World) -> None:
    world.transport.connected = False
    world.recover()
    world.receive()
    assert told(world) == ["WATCHDOG=1"]
    world.transport.connected = True
    world.receive()
    world.receive()
    assert told(world) == ["WATCHDOG=1", "READY=1"]


def test_a_missing_broker_holds_up_a_start_for_some_seconds_only(world: World) -> None:
    world.transport.connected = False
    world.recover()
    world.receive()
    assert "READY=1" not in told(world)
    world.clock.now += READY_PATIENCE_S
    world.receive()
    assert "READY=1" in told(world)
    assert world.daemon._health.state == "disconnected"


def test_only_a_finished_turn_feeds_the_watchdog(world: World) -> None:
    world.recover()
    world.receive(EVENT)
    fed = told(world).count("WATCHDOG=1")
    world.store.fault = StateError("The disk fails.")
    world.clock.now += 100
    with pytest.raises(StateError, match="fails"):
        world.receive(EVENT)
    assert told(world).count("WATCHDOG=1") == fed


def test_a_long_recovery_asks_for_time(world: World) -> None:
    world.recover()
    world.receive(*[EVENT] * 10)
    world.clock.now += 100
    world.receive()
    world.restart()
    supervised(world).recover()
    assert "EXTEND_TIMEOUT_USEC=60000000" in world.supervisor.told  # type: ignore[attr-defined]


def test_a_stop_is_told_before_it_takes_time(world: World) -> None:
    world.recover()
    world.receive(EVENT)
    world.daemon.close()
    assert told(world)[-1] == "STOPPING=1"


def test_being_behind_is_told_and_its_end_too(world: World) -> None:
    world.recover()
    for _ in range(3):
        world.receive(*[EVENT] * BEHIND_MESSAGES)
        assert states(world) == []
        world.clock.now += 0.4 * BEHIND_S
    world.receive(*[EVENT] * BEHIND_MESSAGES)
    assert states(world) == ["catching_up"]
    world.receive(EVENT)
    assert states(world) == ["catching_up", "online"]
    last = world.transport.published[-1]
    (status,) = world.transport.of("status")[-1:]
    assert status == {"state": "online", "since": world.clock.time(), "version": edgedescent.__version__}
    assert last[2] is True, "it is retained"


def test_a_burst_is_not_being_behind(world: World) -> None:
    world.recover()
    for _ in range(10):
        world.receive(*[EVENT] * BEHIND_MESSAGES)
        world.clock.now += 0.9 * BEHIND_S
        world.receive(EVENT)
    assert states(world) == []


def test_a_state_is_told_again_over_a_new_connection(world: World) -> None:
    world.recover()
    health = world.daemon._health
    announce = world.daemon._announce
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    assert states(world) == ["disk_full"]
    health.turned(0, announce, connected=False, saving=DISK_FULL)
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    assert states(world) == ["disk_full", "disk_full"]
    # And once more with the metrics, in case a new connection went unseen.
    health.reported(announce)
    assert states(world) == ["disk_full"] * 3
    health.turned(0, announce, connected=True)
    assert states(world)[-1] == "online"


def test_the_status_file_has_the_state(world: World, tmp_path: Path) -> None:
    world.recover()
    world.receive(EVENT)
    status = json.loads((tmp_path / "status.json").read_bytes())
    assert (status["state"], status["version"]) == ("online", edgedescent.__version__)


def test_a_new_state_is_told_at_once_but_once_a_second(world: World, tmp_path: Path) -> None:
    def told_state() -> object:
        # To whoever asks on this machine, and to systemd: the two are told together.
        line = [line for line in world.supervisor.told if line.startswith("STATUS=")][-1]  # type: ignore[attr-defined]
        status = json.loads((tmp_path / "status.json").read_bytes())
        assert line.startswith(f"STATUS={status['state']}: ")
        assert status["connected"] is (status["state"] == "online")
        return status["state"]

    world.transport.connected = False
    world.recover()
    world.receive()
    assert told_state() == "disconnected"
    # Nothing but the turn tells it: the metrics are not due for ten seconds.
    world.transport.connected = True
    world.receive()
    assert told_state() == "online"
    world.transport.connected = False
    world.receive()
    assert told_state() == "online"
    world.clock.now += NEWS_S
    world.receive()
    assert told_state() == "disconnected"
    assert world.transport.of("metrics") == []
