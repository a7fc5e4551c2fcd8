"""Live table on the terminal while scenarios run: progress and windowed error of each candidate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from edgedescent.console.terminal import Progress, printable
from edgedescent_sims.report.figures import figure
from edgedescent_sims.report.sparkline import sparkline

if TYPE_CHECKING:
    from rich.table import Table

_KEPT = 400
"""Errors of a candidate that are kept for its sparkline; of more, every second is dropped."""
_PER_SECOND = 8


class LiveTable:
    """Table on standard error of the candidates of a run, redrawn while they run; use it in a `with` block.

    Without rich it is one progress bar, and without a terminal nothing.

    Args:
        title: Title of the table, such as the name of the scenario.
        candidates: Names of the candidates, a row each.
        total: Number of events of each candidate, over all its seeds.

    Example:
        >>> with LiveTable("sign-flip", ["linear", "mlp"], total=1000) as table:
        ...     table.update("linear", done=200, error=0.25)
    """

    def __init__(self, title: str, candidates: Sequence[str], total: int) -> None:
        self._title = title
        self._total = total
        self._done = dict.fromkeys(candidates, 0)
        self._errors: dict[str, list[float | None]] = {name: [] for name in candidates}
        self._stride = dict.fromkeys(candidates, 1)
        self._updates = dict.fromkeys(candidates, 0)
        self._live: Any = None
        self._progress: Progress | None = None

    def update(self, candidate: str, done: int, error: float | None = None) -> None:
        """Show how many events a candidate has done, and its windowed error at the last of them."""
        self._done[candidate] = done
        if error is not None:
            self._remember(candidate, error)
        if self._progress is not None:
            self._progress.update(sum(self._done.values()), self._total * len(self._done))

    def _remember(self, candidate: str, error: float) -> None:
        errors = self._errors[candidate]
        if self._updates[candidate] % self._stride[candidate] == 0:
            errors.append(error)
        else:
            errors[-1] = error
        self._updates[candidate] += 1
        if len(errors) > _KEPT:
            del errors[1::2]
            self._stride[candidate] *= 2

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            try:
                from rich.console import Console
                from rich.live import Live
            except ModuleNotFoundError:
                pass
            else:
                # Drawn by a timer of its own, so that an update costs the run no more than an assignment.
                self._live = Live(
                    get_renderable=self.table,
                    console=Console(stderr=True),
                    refresh_per_second=_PER_SECOND,
                    transient=True,
                )
                self._live.__enter__()
                return self
        self._progress = Progress(self._title, "events").__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        shown = self._live or self._progress
        self._live = self._progress = None
        if shown is not None:
            shown.__exit__(kind, fault, trace)

    def table(self) -> Table:
        """The table as it stands."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(printable(self._title)), title_justify="left", box=None, pad_edge=False)
        table.add_column("candidate", no_wrap=True)
        table.add_column("progress", width=20)
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("error", justify="right", no_wrap=True)
        table.add_column("error over time", width=24, no_wrap=True)
        for name, done in self._done.items():
            # A copy: the run adds to the list while the timer draws.
            errors = list(self._errors[name])
            table.add_row(
                Text(printable(name)),
                ProgressBar(total=max(self._total, 1), completed=done, width=20),
                f"{done / max(self._total, 1):.0%}",
                figure(errors[-1]) if errors else "",
                sparkline(errors, width=24),
            )
        return table
