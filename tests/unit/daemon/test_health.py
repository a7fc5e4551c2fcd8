"""What the daemon says of its state, driven turn by turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import edgedescent
from edgedescent.daemon.commit import DISK_FULL
from edgedescent.daemon.health import BEHIND_MESSAGES, BEHIND_S, READY_PATIENCE_S, Health
from edgedescent.daemon.loop import NEWS_S
from edgedescent.daemon.systemd import SystemdNotifier
from edgedescent.errors import StateError
from support.daemon_harness import DaemonHarness

EVENT = b'{"x": {"temp": 20}, "y": 3}'


class Noting(SystemdNotifier):
    """Notes what systemd would be told."""

    def __init__(self) -> None:
        super().__init__("nowhere", 20.0)
        self.told: list[str] = []

    def _send(self, message: str) -> None:
        self.told.append(message)


@pytest.fixture
def harness(tmp_path: Path) -> DaemonHarness:
    return supervised(DaemonHarness(tmp_path))


def supervised(harness: DaemonHarness) -> DaemonHarness:
    harness.supervisor = Noting()  # type: ignore[attr-defined]
    harness.daemon._health = Health(harness.config, harness.clock, harness.supervisor)  # type: ignore[attr-defined]
    return harness


def told(harness: DaemonHarness) -> list[str]:
    supervisor: Noting = harness.supervisor  # type: ignore[attr-defined]
    return [line for line in supervisor.told if not line.startswith(("STATUS=", "EXTEND"))]


def states(harness: DaemonHarness) -> list[Any]:
    return [status["state"] for status in harness.transport.of("status")]


def test_it_is_ready_when_it_has_recovered_and_is_connected(harness: DaemonHarness) -> None:
    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert told(harness) == ["WATCHDOG=1"]
    harness.transport.connected = True
    harness.receive()
    harness.receive()
    assert told(harness) == ["WATCHDOG=1", "READY=1"]


def test_a_missing_broker_holds_up_a_start_for_some_seconds_only(harness: DaemonHarness) -> None:
    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert "READY=1" not in told(harness)
    harness.clock.now += READY_PATIENCE_S
    harness.receive()
    assert "READY=1" in told(harness)
    assert harness.daemon._health.state == "disconnected"


def test_only_a_finished_turn_feeds_the_watchdog(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(EVENT)
    fed = told(harness).count("WATCHDOG=1")
    harness.store.fault = StateError("The disk fails.")
    harness.clock.now += 100
    with pytest.raises(StateError, match="fails"):
        harness.receive(EVENT)
    assert told(harness).count("WATCHDOG=1") == fed


def test_a_long_recovery_asks_for_time(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(*[EVENT] * 10)
    harness.clock.now += 100
    harness.receive()
    harness.restart()
    supervised(harness).recover()
    assert "EXTEND_TIMEOUT_USEC=60000000" in harness.supervisor.told  # type: ignore[attr-defined]


def test_a_stop_is_told_before_it_takes_time(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(EVENT)
    harness.daemon.close()
    assert told(harness)[-1] == "STOPPING=1"


def test_being_behind_is_told_and_its_end_too(harness: DaemonHarness) -> None:
    harness.recover()
    for _ in range(3):
        harness.receive(*[EVENT] * BEHIND_MESSAGES)
        assert states(harness) == []
        harness.clock.now += 0.4 * BEHIND_S
    harness.receive(*[EVENT] * BEHIND_MESSAGES)
    assert states(harness) == ["catching_up"]
    harness.receive(EVENT)
    assert states(harness) == ["catching_up", "online"]
    last = harness.transport.published[-1]
    (status,) = harness.transport.of("status")[-1:]
    assert status == {"state": "online", "since": harness.clock.time(), "version": edgedescent.__version__}
    assert last[2] is True, "it is retained"


def test_a_burst_is_not_being_behind(harness: DaemonHarness) -> None:
    harness.recover()
    for _ in range(10):
        harness.receive(*[EVENT] * BEHIND_MESSAGES)
        harness.clock.now += 0.9 * BEHIND_S
        harness.receive(EVENT)
    assert states(harness) == []


def test_a_state_is_told_again_over_a_new_connection(harness: DaemonHarness) -> None:
    harness.recover()
    health = harness.daemon._health
    announce = harness.daemon._announce
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    assert states(harness) == ["disk_full"]
    health.turned(0, announce, connected=False, saving=DISK_FULL)
    health.turned(0, announce, connected=True, saving=DISK_FULL)
    assert states(harness) == ["disk_full", "disk_full"]
    # And once more with the metrics, in case a new connection went unseen.
    health.reported(announce)
    assert states(harness) == ["disk_full"] * 3
    health.turned(0, announce, connected=True)
    assert states(harness)[-1] == "online"


def test_the_status_file_has_the_state(harness: DaemonHarness, tmp_path: Path) -> None:
    harness.recover()
    harness.receive(EVENT)
    status = json.loads((tmp_path / "status.json").read_bytes())
    assert (status["state"], status["version"]) == ("online", edgedescent.__version__)


def test_a_new_state_is_told_at_once_but_once_a_second(harness: DaemonHarness, tmp_path: Path) -> None:
    def told_state() -> object:
        # To whoever asks on this machine, and to systemd: the two are told together.
        line = [line for line in harness.supervisor.told if line.startswith("STATUS=")][-1]  # type: ignore[attr-defined]
        status = json.loads((tmp_path / "status.json").read_bytes())
        assert line.startswith(f"STATUS={status['state']}: ")
        assert status["connected"] is (status["state"] == "online")
        return status["state"]

    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert told_state() == "disconnected"
    # Nothing but the turn tells it: the metrics are not due for ten seconds.
    harness.transport.connected = True
    harness.receive()
    assert told_state() == "online"
    harness.transport.connected = False
    harness.receive()
    assert told_state() == "online"
    harness.clock.now += NEWS_S
    harness.receive()
    assert told_state() == "disconnected"
    assert harness.transport.of("metrics") == []
