"""Ctrl-C in the commands that publish: the first ends them cleanly, the second at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


@contextmanager
def stop_on_interrupt() -> Iterator[list[int]]:
    """Record the first Ctrl-C in the list that is yielded; a second one interrupts at once."""
    interrupts: list[int] = []

    def record(number: int, _frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, record)
    try:
        yield interrupts
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)
