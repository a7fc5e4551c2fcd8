"""Signals are heard from the beginning, whoever is there to do what they ask for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from edgedescent.daemon.signals import Signals

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
HEARD = (*STOPS, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in HEARD}
    made = Signals()
    made.install()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_that_came_early_is_heeded_as_soon_as_there_is_a_daemon(
    signals: Signals, number: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    asked: list[str] = []
    os.kill(os.getpid(), number)
    assert caplog.messages == [f"{number.name} received: stopping."]
    signals.connect(stop=lambda: asked.append("stop"), snapshot=lambda: asked.append("snapshot"))
    assert asked == ["stop"]
    os.kill(os.getpid(), number)
    assert asked == ["stop", "stop"]


def test_a_snapshot_that_nobody_can_make_yet_is_left_out(signals: Signals) -> None:
    asked: list[str] = []
    os.kill(os.getpid(), signal.SIGUSR1)
    signals.connect(stop=lambda: asked.append("stop"), snapshot=lambda: asked.append("snapshot"))
    assert asked == []
    os.kill(os.getpid(), signal.SIGUSR1)
    assert asked == ["snapshot"]


def test_a_signal_that_asks_for_nothing_is_said_and_ends_nothing(
    signals: Signals, caplog: pytest.LogCaptureFixture
) -> None:
    signals.connect(stop=lambda: pytest.fail("stopped"), snapshot=lambda: pytest.fail("exported"))
    os.kill(os.getpid(), signal.SIGUSR2)
    assert caplog.messages == ["SIGUSR2 received: it asks for nothing. SIGUSR1 exports a snapshot."]


def test_a_hangup_that_nohup_ignores_stays_ignored(signals: Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
