"""What systemd is told, over sockets that stand for its own."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedescent.daemon.systemd import EXTENSION_S, STATUS_MAX, SystemdNotifier


class Listener:
    """A socket that keeps what it is told."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self.socket.setblocking(False)

    def told(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(65_536).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "notify") if request.param == "path" else f"@edgedescent-test-{os.getpid()}")
    yield made
    made.socket.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_told_what_happens(listener: Listener) -> None:
    supervisor = SystemdNotifier(listener.address)
    supervisor.status("Running the journal\nagain.")
    supervisor.status("Running the journal\nagain.")
    supervisor.ready()
    supervisor.status("x" * 1000)
    supervisor.stopping()
    assert listener.told() == [
        "STATUS=Running the journal again.",
        "READY=1",
        f"STATUS={'x' * STATUS_MAX}",
        "STOPPING=1",
    ]


def test_the_watchdog_is_fed_by_progress_four_times_as_often_as_it_must(listener: Listener) -> None:
    clock = Clock()
    supervisor = SystemdNotifier(listener.address, 20.0, clock)
    for _ in range(100):
        supervisor.progress()
        clock.now += 0.25
    assert listener.told() == ["WATCHDOG=1"] * 5
    # Nothing but progress feeds it.
    clock.now += 100
    supervisor.status("x")
    assert listener.told() == ["STATUS=x"]


def test_without_a_watchdog_nothing_feeds_it(listener: Listener) -> None:
    SystemdNotifier(listener.address).progress()
    assert listener.told() == []


def test_a_long_start_asks_for_more_time_as_long_as_it_gets_on(listener: Listener) -> None:
    clock = Clock()
    supervisor = SystemdNotifier(listener.address, 20.0, clock)
    told: list[str] = []
    for _ in range(60):
        supervisor.still_starting()
        clock.now += 1.0
        told += listener.told()
    assert told.count(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}") == 4
    assert told.count("WATCHDOG=1") == 12


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "4000000"}, True),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_PID": str(os.getpid())}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
        ({"WATCHDOG_USEC": "²"}, False),
    ],
)
def test_the_environment_says_whether_there_is_a_watchdog(
    listener: Listener, environment: dict[str, str], watchdog: bool
) -> None:
    environment = {**environment, "NOTIFY_SOCKET": listener.address, "OTHER": "stays"}
    supervisor = SystemdNotifier.from_environment(environment)
    # A child must not speak for the daemon.
    assert environment == {"OTHER": "stays"}
    supervisor.progress()
    assert listener.told() == (["WATCHDOG=1"] if watchdog else [])


def test_without_a_supervisor_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}):
        supervisor = SystemdNotifier.from_environment(environment)
        supervisor.ready()
        supervisor.progress()
    assert caplog.records == []


def test_one_that_is_gone_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = SystemdNotifier(str(tmp_path / "gone"), 1.0)
    with caplog.at_level(logging.WARNING):
        supervisor.ready()
        supervisor.stopping()
    assert [record.getMessage() for record in caplog.records] == [
        f"The supervisor at {tmp_path}/gone cannot be told READY: No such file or directory."
    ]


def test_one_that_does_not_read_holds_nobody_up(listener: Listener) -> None:
    clock = Clock()
    supervisor = SystemdNotifier(listener.address, 1.0, clock)
    for i in range(5_000):
        supervisor.status(f"line {i} " + "x" * 150)
    assert listener.told()[0].startswith("STATUS=line 0 ")
    # It hears again once it has read, and the watchdog's food that was lost is sent again at once.
    supervisor.progress()
    assert listener.told() == ["WATCHDOG=1"]
