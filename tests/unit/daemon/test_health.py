"""State reports of the daemon, turn by turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import edgedescent
from edgedescent.daemon.commit import DISK_FULL
from edgedescent.daemon.health import BEHIND_MESSAGES, BEHIND_S, READY_TIMEOUT_S, Health
from edgedescent.daemon.reports import STATUS_INTERVAL_S
from edgedescent.daemon.systemd import SystemdNotifier
from edgedescent.errors import StateError
from support.daemon_harness import DaemonHarness

EVENT = b'{"x": {"temp": 20}, "y": 3}'


class RecordingNotifier(SystemdNotifier):
    """Records the messages for systemd instead of sending them."""

    def __init__(self) -> None:
        super().__init__("nowhere", 20.0)
        self.sent: list[str] = []

    def _send(self, message: str) -> None:
        self.sent.append(message)


@pytest.fixture
def harness(tmp_path: Path) -> DaemonHarness:
    return with_systemd(DaemonHarness(tmp_path))


def with_systemd(harness: DaemonHarness) -> DaemonHarness:
    harness.systemd = RecordingNotifier()  # type: ignore[attr-defined]
    harness.daemon._health = Health(harness.config, harness.clock, harness.systemd)  # type: ignore[attr-defined]
    return harness


def sent(harness: DaemonHarness) -> list[str]:
    systemd: RecordingNotifier = harness.systemd  # type: ignore[attr-defined]
    return [line for line in systemd.sent if not line.startswith(("STATUS=", "EXTEND"))]


def states(harness: DaemonHarness) -> list[Any]:
    return [status["state"] for status in harness.transport.of("status")]


def test_it_is_ready_when_it_has_recovered_and_is_connected(harness: DaemonHarness) -> None:
    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert sent(harness) == ["WATCHDOG=1"]
    harness.transport.connected = True
    harness.receive()
    harness.receive()
    assert sent(harness) == ["WATCHDOG=1", "READY=1"]


def test_a_missing_broker_holds_up_a_start_for_some_seconds_only(harness: DaemonHarness) -> None:
    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert "READY=1" not in sent(harness)
    harness.clock.now += READY_TIMEOUT_S
    harness.receive()
    assert "READY=1" in sent(harness)
    assert harness.daemon._health.state == "disconnected"


def test_only_a_finished_turn_feeds_the_watchdog(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(EVENT)
    fed = sent(harness).count("WATCHDOG=1")
    harness.store.fault = StateError("The disk fails.")
    harness.clock.now += 100
    with pytest.raises(StateError, match="fails"):
        harness.receive(EVENT)
    assert sent(harness).count("WATCHDOG=1") == fed


def test_a_long_recovery_asks_for_time(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(*[EVENT] * 10)
    harness.clock.now += 100
    harness.receive()
    harness.restart()
    with_systemd(harness).recover()
    assert "EXTEND_TIMEOUT_USEC=60000000" in harness.systemd.sent  # type: ignore[attr-defined]


def test_a_stop_is_reported_before_it_takes_time(harness: DaemonHarness) -> None:
    harness.recover()
    harness.receive(EVENT)
    harness.daemon.close()
    assert sent(harness)[-1] == "STOPPING=1"


def test_a_backlog_and_its_end_are_reported(harness: DaemonHarness) -> None:
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


def test_a_state_is_published_again_over_a_new_connection(harness: DaemonHarness) -> None:
    harness.recover()
    health = harness.daemon._health
    announce = harness.daemon._outputs.publish_status
    health.after_turn(0, announce, connected=True, committer_state=DISK_FULL)
    health.after_turn(0, announce, connected=True, committer_state=DISK_FULL)
    assert states(harness) == ["disk_full"]
    health.after_turn(0, announce, connected=False, committer_state=DISK_FULL)
    health.after_turn(0, announce, connected=True, committer_state=DISK_FULL)
    assert states(harness) == ["disk_full", "disk_full"]
    # And once more with the metrics, in case a new connection went unseen.
    health.after_metrics(announce)
    assert states(harness) == ["disk_full"] * 3
    health.after_turn(0, announce, connected=True)
    assert states(harness)[-1] == "online"


def test_the_status_file_has_the_state(harness: DaemonHarness, tmp_path: Path) -> None:
    harness.recover()
    harness.receive(EVENT)
    status = json.loads((tmp_path / "status.json").read_bytes())
    assert (status["state"], status["version"]) == ("online", edgedescent.__version__)


def test_a_new_state_is_reported_at_once_but_once_a_second(harness: DaemonHarness, tmp_path: Path) -> None:
    def reported_state() -> object:
        # The status file and systemd are updated together.
        line = [line for line in harness.systemd.sent if line.startswith("STATUS=")][-1]  # type: ignore[attr-defined]
        status = json.loads((tmp_path / "status.json").read_bytes())
        assert line.startswith(f"STATUS={status['state']}: ")
        assert status["connected"] is (status["state"] == "online")
        return status["state"]

    harness.transport.connected = False
    harness.recover()
    harness.receive()
    assert reported_state() == "disconnected"
    # The turn reports it, not the metrics, which are not due for ten seconds.
    harness.transport.connected = True
    harness.receive()
    assert reported_state() == "online"
    harness.transport.connected = False
    harness.receive()
    assert reported_state() == "online"
    harness.clock.now += STATUS_INTERVAL_S
    harness.receive()
    assert reported_state() == "disconnected"
    assert harness.transport.of("metrics") == []
