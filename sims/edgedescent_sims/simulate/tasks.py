"""Tasks: long runs, in this process or in several, with the progress of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

_POLL_S = 0.1
"""Time between two looks at the progress of other processes."""

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Report = Callable[[int, float | None], None]
"""Called by a task with the number of events so far, and the recent mean absolute error."""


class Task(Protocol[T_co]):
    """A run that can be pickled, and says now and then how far it is."""

    def run(self, report: Report) -> T_co:
        """Run it."""


@dataclass(frozen=True)
class TaskProgress:
    """State of a task that is running or done."""

    place: int
    """Index of the task."""
    events: int
    """Number of events so far."""
    error: float | None
    """Recent mean absolute error; None where it is unknown."""
    is_done: bool = False


OnProgress = Callable[[TaskProgress], None]


def run_tasks(tasks: Sequence[Task[T]], n_processes: int, on_progress: OnProgress) -> Iterator[T]:
    """Run tasks and yield their outcomes in order, each as soon as it and all before it are there.

    Args:
        tasks: The tasks. The first one that raises ends all.
        n_processes: Number of processes; 1 runs everything in this one.
        on_progress: Called now and then for each task, and when it is done.
    """
    if n_processes == 1 or len(tasks) == 1:
        for place, task in enumerate(tasks):
            yield _run_here(place, task, on_progress)
        return
    # Forked processes would share the threads and locks of libraries such as pyarrow.
    context = get_context("spawn")
    events = context.Array("q", len(tasks), lock=False)
    errors = context.Array("d", [math.nan] * len(tasks), lock=False)
    workers = min(n_processes, len(tasks))
    with ProcessPoolExecutor(workers, context, initializer=_share, initargs=(events, errors)) as pool:
        futures = {pool.submit(_run_there, place, task): place for place, task in enumerate(tasks)}
        waiting = set(futures)
        outcomes: dict[int, T] = {}
        following = 0
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                outcomes |= {futures[future]: future.result() for future in done}
                for future, place in futures.items():
                    if future in done or (future in waiting and events[place]):
                        error = None if math.isnan(errors[place]) else errors[place]
                        on_progress(TaskProgress(place, events[place], error, future in done))
                while following in outcomes:
                    yield outcomes.pop(following)
                    following += 1
        except BaseException:
            # What has not started is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_here(place: int, task: Task[T], on_progress: OnProgress) -> T:
    latest: tuple[int, float | None] = (0, None)

    def report(events: int, error: float | None) -> None:
        nonlocal latest
        latest = (events, error)
        on_progress(TaskProgress(place, events, error))

    outcome = task.run(report)
    on_progress(TaskProgress(place, *latest, is_done=True))
    return outcome


# --- In a process of the pool -------------------------------------------------------------------------------------

_shared: tuple[Any, Any] = ((), ())
"""Events and errors of all tasks, shared with the parent."""


def _share(events: Any, errors: Any) -> None:
    global _shared  # noqa: PLW0603 - the one way by which a pool hands over what cannot be pickled
    _shared = (events, errors)


def _run_there(place: int, task: Task[T]) -> T:
    events, errors = _shared

    def report(count: int, error: float | None) -> None:
        events[place] = count
        errors[place] = math.nan if error is None else error

    return task.run(report)
