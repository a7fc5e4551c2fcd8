"""Signals are heard from the beginning, whoever is there to do what they ask for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from edgedescent.daemon.signals import Signals

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


@pytest.fixture
def signals() -> Iterator[Signals]:
    before = {number: signal.getsignal(number) for number in HEARD}
    made = Signals()
    made.install()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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
