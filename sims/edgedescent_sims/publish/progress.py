"""Progress bar on standard error, shown only on a terminal, and only if the work takes more than two seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE_S = 2.0


class ProgressBar:
    """Progress bar with events, rate and time left, shown once two seconds have passed; use it in a `with` block.

    Args:
        title: Text before the bar.
        total: Returns the number of events to come, if it is known; called once, and only if the bar is shown.
    """

    def __init__(self, title: str, total: Callable[[], int | None]) -> None:
        self._title = title
        self._total = total
        self._started = time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def update(self, done: int) -> None:
        """Show the number of events that are done."""
        if self._bar is None and self._wanted and time.monotonic() - self._started > _PATIENCE_S:
            self._show()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, rate=done / (time.monotonic() - self._started))

    def __enter__(self) -> Self:
        """Start the clock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the bar and leave it on the screen."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self) -> None:
        self._wanted = False
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            return  # rich comes with the extra `demo`; the replay does not need it.
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} events/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(self._title, total=self._total(), rate=0.0)
        self._bar.start()
