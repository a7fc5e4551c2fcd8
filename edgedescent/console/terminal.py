"""Output to a terminal: safe text, times, progress bars and questions."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import click

from edgedescent.errors import printable

__all__ = ["Progress", "confirm", "printable", "timestamp"]

PROGRESS_AFTER_S = 2.0
"""Time after which work shows its progress."""


def timestamp(seconds: float) -> str:
    """Format a Unix time as ISO 8601; one that is no date, as a number.

    Example:
        >>> timestamp(1_700_000_000.5)
        '2023-11-14T22:13:20+00:00'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} s"


def confirm(question: str, *, yes: bool) -> None:
    """Ask for confirmation on the terminal, unless it was given by an option.

    Args:
        question: The question.
        yes: Value of the option ``--yes``.

    Raises:
        click.UsageError: If standard input is not a terminal.
        click.Abort: If the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to answer: add --yes.")
    click.confirm(question, abort=True, err=True)


class Progress:
    """Progress bar on standard error, shown only on a terminal and after two seconds; use it in a `with` block.

    Args:
        title: Text before the bar.
        unit: Unit of the rate that stands behind the bar; no rate without.
    """

    def __init__(self, title: str, unit: str = "") -> None:
        self._title = title
        self._unit = unit
        self._since = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._bar: Any = None
        self._done = 0

    def update(self, done: int, total: int | Callable[[], int | None]) -> None:
        """Show how many steps are done.

        Args:
            done: Number of steps that are done.
            total: Number of all steps, or a function that returns it, None if it is unknown. The bar keeps the total of
                the call that first shows it.
        """
        if self._bar is None:
            if not self._is_terminal or time.monotonic() - self._since < PROGRESS_AFTER_S:
                return
            # A bar of unknown length needs an iterable, which is never asked for an item.
            self._bar = click.progressbar(
                itertools.count(),
                length=total() if callable(total) else total,
                label=self._title,
                show_pos=bool(self._unit),
                item_show_func=lambda rate: rate,
                file=sys.stderr,
            )
            self._bar.__enter__()
        rate = f"{done / (time.monotonic() - self._since):,.0f} {self._unit}/s" if self._unit else None
        self._bar.update(done - self._done, rate)
        self._done = done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, fault, trace)
