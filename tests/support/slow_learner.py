"""Learner whose events take time on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgedescent.engine.core import Engine


def make_slow(monkeypatch: pytest.MonkeyPatch, event_s: float, move: Callable[[float], None]) -> list[int]:
    """Let every event that an engine handles take time.

    Args:
        monkeypatch: Pytest's.
        event_s: Seconds for an event.
        move: Moves the clock by a number of seconds.

    Returns:
        List to which the number of events of each slice is added.
    """
    slices: list[int] = []

    def wrap(name: str) -> None:
        method = getattr(Engine, name)

        def slow(engine: Engine, *arguments: Any) -> Any:
            before = _count(engine)
            effects = method(engine, *arguments)
            slices.append(_count(engine) - before)
            move(slices[-1] * event_s)
            return effects

        monkeypatch.setattr(Engine, name, slow)

    wrap("begin")
    wrap("proceed")
    return slices


def _count(engine: Engine) -> int:
    return engine.counters["events_learned"] + engine.counters["events_predicted"]
