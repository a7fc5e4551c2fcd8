"""Progress of a simulation on the terminal: a table of the candidates, or one bar for many of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edgedescent.console.terminal import Progress
from edgedescent_sims.report import LiveTable
from edgedescent_sims.simulate.jobs import Job
from edgedescent_sims.simulate.tasks import OnProgress, TaskProgress

ROWS_MAX = 12
"""Most candidates of a table: more would not fit a terminal."""


@contextmanager
def progress(jobs: Sequence[Job]) -> Iterator[OnProgress]:
    """Show jobs while the block runs; yields what is to be called with their progress."""
    names = list(dict.fromkeys((job.scenario.name, job.candidate) for job in jobs))
    lengths = {
        scenario.name: scenario.stream.length() for scenario in {id(j.scenario): j.scenario for j in jobs}.values()
    }
    length = max((length for length in lengths.values() if length is not None), default=None)
    if len(names) > ROWS_MAX or length is None or len(lengths) > 1:
        with Progress("simulate", "runs") as bar:
            yield _Counter(bar, len(jobs))
        return
    title, n_seeds = names[0][0], jobs[0].scenario.n_seeds
    with LiveTable(title, [candidate for _, candidate in names], length * n_seeds) as table:
        yield _Rows(table, jobs)


class _Counter:
    """Bar of the runs that are done."""

    def __init__(self, bar: Progress, n_jobs: int) -> None:
        self._bar = bar
        self._n_jobs = n_jobs
        self._n_done = 0

    def __call__(self, progress: TaskProgress) -> None:
        self._n_done += progress.is_done
        self._bar.update(self._n_done, self._n_jobs)


class _Rows:
    """Rows of a table, each with the events of a candidate on all seeds."""

    def __init__(self, table: LiveTable, jobs: Sequence[Job]) -> None:
        self._table = table
        self._jobs = jobs
        self._events = [0] * len(jobs)

    def __call__(self, progress: TaskProgress) -> None:
        self._events[progress.place] = progress.events
        name = self._jobs[progress.place].candidate
        done = sum(events for events, job in zip(self._events, self._jobs, strict=True) if job.candidate == name)
        self._table.update(name, done, progress.error)
