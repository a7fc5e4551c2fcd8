"""Notifications to systemd, over sockets of the tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgedescent.daemon.systemd import EXTENSION_S, STATUS_MAX, SystemdNotifier
from support.fake_clock import FakeClock
from support.notify_socket import NotifySocket


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    made = NotifySocket(str(tmp_path / "notify") if request.param == "path" else f"@edgedescent-test-{os.getpid()}")
    yield made
    made.close()


def test_each_step_sends_a_notification(listener: NotifySocket) -> None:
    notifier = SystemdNotifier(listener.address)
    notifier.status("Running the journal\nagain.")
    notifier.status("Running the journal\nagain.")
    notifier.ready()
    notifier.status("x" * 1000)
    notifier.stopping()
    assert listener.receive() == [
        "STATUS=Running the journal again.",
        "READY=1",
        f"STATUS={'x' * STATUS_MAX}",
        "STOPPING=1",
    ]


def test_progress_sends_four_keepalives_in_each_timeout(listener: NotifySocket) -> None:
    clock = FakeClock()
    notifier = SystemdNotifier(listener.address, 20.0, clock.monotonic)
    for _ in range(100):
        notifier.progress()
        clock.now += 0.25
    assert listener.receive() == ["WATCHDOG=1"] * 5
    # Nothing but progress feeds it.
    clock.now += 100
    notifier.status("x")
    assert listener.receive() == ["STATUS=x"]


def test_without_a_watchdog_no_keepalive_is_sent(listener: NotifySocket) -> None:
    SystemdNotifier(listener.address).progress()
    assert listener.receive() == []


def test_a_long_start_asks_for_more_time_as_long_as_it_gets_on(listener: NotifySocket) -> None:
    clock = FakeClock()
    notifier = SystemdNotifier(listener.address, 20.0, clock.monotonic)
    received: list[str] = []
    for _ in range(60):
        notifier.extend_timeout()
        clock.now += 1.0
        received += listener.receive()
    assert received.count(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}") == 4
    assert received.count("WATCHDOG=1") == 12


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
def test_the_watchdog_is_configured_by_the_environment(
    listener: NotifySocket, environment: dict[str, str], watchdog: bool
) -> None:
    environment = {**environment, "NOTIFY_SOCKET": listener.address, "OTHER": "stays"}
    notifier = SystemdNotifier.from_environment(environment)
    # A child must not speak for the daemon.
    assert environment == {"OTHER": "stays"}
    notifier.progress()
    assert listener.receive() == (["WATCHDOG=1"] if watchdog else [])


def test_without_systemd_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": ""}):
        notifier = SystemdNotifier.from_environment(environment)
        notifier.ready()
        notifier.progress()
    assert caplog.records == []


def test_a_missing_socket_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = SystemdNotifier(str(tmp_path / "gone"), 1.0)
    with caplog.at_level(logging.WARNING):
        notifier.ready()
        notifier.stopping()
    assert [record.getMessage() for record in caplog.records] == [
        f"The notification READY cannot be sent to systemd at {tmp_path}/gone: No such file or directory."
    ]


def test_one_that_does_not_read_holds_nobody_up(listener: NotifySocket) -> None:
    clock = FakeClock()
    notifier = SystemdNotifier(listener.address, 1.0, clock.monotonic)
    for i in range(5_000):
        notifier.status(f"line {i} " + "x" * 150)
    assert listener.receive()[0].startswith("STATUS=line 0 ")
    # Messages arrive again once the socket has been read, and a lost keep-alive message is sent again at once.
    notifier.progress()
    assert listener.receive() == ["WATCHDOG=1"]
