"""Waiting for a condition, with deadlines that only a hang can reach."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

PATIENCE_S = float(os.environ.get("PATIENCE_S", "120"))
"""Deadline for what must happen. It hardly ever takes a second; only a hang, not a busy machine, comes near it."""

T = TypeVar("T")


def eventually(ask: Callable[[], T], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true; returns it."""
    until = time.monotonic() + timeout_s
    while not (answer := ask()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)
    return answer


@contextmanager
def sooner_than(limit_s: float) -> Iterator[None]:
    """Fail if the block takes `limit_s`, which is what it is allowed to wait in vain."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < limit_s


@contextmanager
def at_least(seconds: float) -> Iterator[None]:
    """Fail if the block takes less than `seconds`, give or take the resolution of the system's timers."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started > 0.9 * seconds
