"""Ten million events: whether speed and memory in the last tenth are those of the first."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import click
import numpy as np
from harness import command_line, environment

from edgedescent import FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.evaluation import resident_bytes

ROWS_MAX = 50_000
N_IDS = 1_000_000
# As many events as stay in the processor's cache, where one that was just decoded is.
CHUNK = 1000
SLOWER_MAX = 1.2
GROWTH_MIB_MAX = 4.0

Events = list[tuple[Any, ...]]


def _numbers(random: np.random.Generator, n: int) -> tuple[list[list[float]], list[float]]:
    z = random.normal(size=(n, 10))
    return z.tolist(), (z @ np.linspace(-1, 1, 10) + random.normal(size=n)).tolist()


def idle_features(random: np.random.Generator, done: float) -> Events:
    """Ten sensors, and forty more that report in the first and in the last tenth alone."""
    names = [f"sensor_{i}" for i in range(10)]
    idle = {f"idle_{i}": 1.0 + i for i in range(40)}
    awake = done < 0.1 or done >= 0.9
    rows, targets = _numbers(random, CHUNK)
    events: Events = []
    for i, (row, y) in enumerate(zip(rows, targets, strict=True)):
        x = dict(zip(names, row, strict=True))
        # Once in a while, so that the speed of the tenths can be compared.
        if awake and i == 0:
            x.update(idle)
        events.append((x, y))
    return events


def distinct_categories(random: np.random.Generator, done: float) -> Events:  # noqa: ARG001 - as the others
    """Ten sensors and one of a million device names, most of them rare."""
    names = [f"sensor_{i}" for i in range(10)]
    rows, targets = _numbers(random, CHUNK)
    ids = _ids(random)
    return [
        ({**dict(zip(names, row, strict=True)), "device": f"d{device}"}, y)
        for row, y, device in zip(rows, targets, ids, strict=True)
    ]


def distinct_raters(random: np.random.Generator, done: float) -> Events:  # noqa: ARG001 - as the others
    """Ratings by a million users of a million items, most of them rare."""
    y = random.uniform(0, 5, CHUNK).tolist()
    return [(f"u{u}", f"i{i}", r) for u, i, r in zip(_ids(random), _ids(random), y, strict=True)]


def distinct_pairs(random: np.random.Generator, done: float) -> Events:
    """The same as events of named features."""
    return [({"user": user, "item": item}, y) for user, item, y in distinct_raters(random, done)]


def _ids(random: np.random.Generator) -> list[int]:
    """Half of them from a thousand busy ids, half from all."""
    busy, any_one = random.integers(1000, size=CHUNK), random.integers(N_IDS, size=CHUNK)
    ids: list[int] = np.where(random.uniform(size=CHUNK) < 0.5, busy, any_one).tolist()
    return ids


@dataclass(frozen=True)
class Task:
    """A learner and its stream.

    Args:
        name: as the table calls it.
        start: makes the learner.
        make: the next `CHUNK` events, given a generator and which share of the run is done.
        share: which part of the events asked for it is given.
    """

    name: str
    start: Callable[[], Any]
    make: Callable[[np.random.Generator, float], Events]
    share: float = 1.0


TASKS = (
    Task("linear, idle features", LinearRegressor, idle_features),
    Task(
        "linear, 1,000,000 categories in 50,000 rows",
        lambda: LinearRegressor(features_max=ROWS_MAX),
        distinct_categories,
    ),
    Task("factorization machine, idle features", FactorizationMachine, idle_features),
    Task(
        "factorization machine, 1,000,000 users and items in 50,000 rows",
        lambda: FactorizationMachine(features_max=ROWS_MAX),
        distinct_pairs,
    ),
    Task(
        "matrix factorization, 1,000,000 users and items in 50,000 rows each",
        lambda: MatrixFactorization(users_max=ROWS_MAX, items_max=ROWS_MAX),
        distinct_raters,
    ),
    # A hundred times as much arithmetic per event.
    Task("network with replay", MLPRegressor, idle_features, share=0.01),
)


@dataclass
class Run:
    """CPU time per event and resident memory at the end of each tenth of the run."""

    task: Task
    events: int
    us_per_event: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    @property
    def slower(self) -> float:
        """The time of an event in the last tenth, relative to the first."""
        return self.us_per_event[-1] / self.us_per_event[0]

    @property
    def growth_mib(self) -> float:
        """The memory at the end of the last tenth, less that at the end of the first."""
        return self.memory_mib[-1] - self.memory_mib[0]

    @property
    def passed(self) -> bool:
        """True if both stayed flat."""
        return self.slower <= SLOWER_MAX and self.growth_mib <= GROWTH_MIB_MAX


def endure(task: Task, n_events: int, progress: Callable[[str], None] = lambda _: None) -> Run:
    """Learn so many events, made chunk by chunk; making them is not timed."""
    n_chunks = max(round(n_events * task.share / CHUNK), 10)
    run = Run(task, n_chunks * CHUNK)
    learn_one = task.start().learn_one
    random = np.random.default_rng(11)
    # Nothing here makes cycles, and walking over everything else for them is no part of learning.
    gc.disable()
    for tenth in _tenths(n_chunks):
        times_us = []
        for chunk in tenth:
            events = task.make(random, chunk / n_chunks)
            # The processor's time, as a run of minutes meets whatever else the machine does.
            start = time.thread_time_ns()
            for event in events:
                learn_one(*event)
            times_us.append((time.thread_time_ns() - start) / 1000 / CHUNK)
        # Of the chunks' times the median: eviction sorts now and then, and growing happens once.
        run.us_per_event.append(statistics.median(times_us))
        run.memory_mib.append(resident_mib())
        progress(f"{task.name}: {len(run.memory_mib)}/10")
    gc.enable()
    return run


def _tenths(n_chunks: int) -> Iterator[range]:
    edges = [round(i * n_chunks / 10) for i in range(11)]
    return (range(a, b) for a, b in pairwise(edges))


def resident_mib() -> float:
    """Resident memory of this process."""
    return resident_bytes() / 2**20


@click.command(epilog="Example: python bench/endurance.py --events 1000000 --only linear")
@click.option("--events", type=click.IntRange(min=1000), default=10_000_000, show_default=True, help="Of each task.")
@click.option("--only", default="", help="Only the tasks whose name holds this text.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(events: int, only: str, json_: bool) -> None:
    """Learn ten million events, and compare speed and memory of the last tenth with the first.

    Takes ten minutes as it is. Exits with 1 if the last tenth is more than 1.2 times slower, or 4 MiB larger.
    """
    chosen = [task for task in TASKS if only.lower() in task.name.lower()]
    if not chosen:
        raise click.ClickException(f"No task holds {only!r}. There are: {'; '.join(task.name for task in TASKS)}.")
    shows = not json_ and sys.stderr.isatty()
    runs = [endure(task, events, lambda text: click.echo(text, err=True) if shows else None) for task in chosen]
    if json_:
        click.echo(as_json(runs))
    else:
        click.echo(as_table(runs))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(run.passed for run in runs) else 1)


def as_table(runs: Sequence[Run]) -> str:
    """Lay the tenths out for people."""
    parts = []
    for run in runs:
        parts.append(f"{run.task.name}: {run.events:,} events, in tenths")
        parts.append("  µs/event " + " ".join(f"{value:7.3f}" for value in run.us_per_event))
        parts.append("  MiB      " + " ".join(f"{value:7.1f}" for value in run.memory_mib))
        verdict = "pass" if run.passed else "FAIL"
        parts.append(f"  last tenth: {run.slower:.2f} times the time, {run.growth_mib:+.1f} MiB: {verdict}\n")
    return "\n".join(parts)


def as_json(runs: Sequence[Run]) -> str:
    """Write the same for programs, on one line."""
    rows = [
        {
            "task": run.task.name,
            "events": run.events,
            "us_per_event": [round(value, 4) for value in run.us_per_event],
            "memory_mib": [round(value, 2) for value in run.memory_mib],
            "passed": run.passed,
        }
        for run in runs
    ]
    passed = all(run.passed for run in runs)
    ran_on = environment(("edgedescent", "numpy"))
    return json.dumps({"passed": passed, "ran_on": ran_on, "again": command_line(), "tasks": rows})


if __name__ == "__main__":
    main()
