"""Harness of the benchmarks: interleaved timing of peers on one stream, targets, tables and JSON."""

from __future__ import annotations

import gc
import json
import math
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Peer:
    """A way to learn a stream, ours or somebody else's.

    Args:
        name: how the table calls it.
        start: makes a fresh model, and returns what learns and predicts with it.
        share: which part of the row's events it is given: a slow peer would make the run take minutes.
        stream: the row's stream in the form that this peer takes, where that is another.
        note: what a reader must know to judge the comparison.
        needs: the module without which it is left out.
    """

    name: str
    start: Callable[[], Driver]
    share: float = 1.0
    stream: Callable[[int], Sequence[Any]] | None = None
    note: str = ""
    needs: str = ""


@dataclass(frozen=True)
class Driver:
    """A fresh model behind two functions."""

    learn: Callable[[Any], None]
    """For each event of a slice in order, predicts its target and then learns from it."""
    predict: Callable[[Any], float] | None
    """The prediction for one event; None where an error would mean nothing."""


@dataclass(frozen=True)
class Target:
    """Bar that EdgeDescent must reach beside a peer.

    Args:
        peer: its name.
        at_least: how many times faster than the peer ours must be; below 1 where it may be slower.
    """

    peer: str
    at_least: float

    def __str__(self) -> str:
        if self.at_least < 1.0:
            return f"at most {1.0 / self.at_least:g} times the time of {self.peer}"
        return f"at least {self.at_least:g} times {self.peer}" if self.at_least > 1.0 else f"no slower than {self.peer}"


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a task, a stream, and the peers, ours first.

    Args:
        name: of the task.
        stream: makes that many events, each ending with its target, the same ones at every call.
        peers: ours first.
        target: what this row must reach; None where it only tells.
        check: called before anything is timed, to raise an error unless the peers do the same.
        share: which part of the events asked for this row uses, as large events need more memory.
    """

    name: str
    stream: Callable[[int], Sequence[Any]]
    peers: Sequence[Peer]
    target: Target | None = None
    share: float = 1.0
    check: Callable[[], None] | None = None


@dataclass
class Timing:
    """Measurements of one peer on one row."""

    peer: str
    events: int
    note: str = ""
    error: float = float("nan")
    """Mean absolute error on the events after those learned, relative to that of predicting the mean."""
    us_per_event: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the runs, in µs per event."""
        return statistics.median(self.us_per_event)


@dataclass
class Result:
    """Measurements of one row."""

    row: Row
    timings: list[Timing]

    @property
    def ours(self) -> Timing:
        """The timing of our learner."""
        return self.timings[0]

    def ratio(self, timing: Timing) -> float:
        """Time of a peer over ours, by the medians."""
        return timing.median / self.ours.median

    @property
    def reached(self) -> float:
        """Time of the target's peer over ours; of the next peer, if there is no target."""
        if self.row.target is None:
            return self.ratio(self.timings[1])
        return self.ratio(next(t for t in self.timings if t.peer == self.row.target.peer))

    @property
    def shown(self) -> str:
        """Result in the words of the target."""
        target = self.row.target
        if target is None:
            return ""
        return f"{1.0 / self.reached:.2f}" if target.at_least < 1.0 else f"{self.reached:.3g}"

    @property
    def passed(self) -> bool:
        """True if the row reaches its target or has none."""
        if self.row.target is None:
            return True
        return self.reached >= self.row.target.at_least


def with_installed(row: Row) -> Row:
    """The row without the peers that are not installed, and without a target that is one of them."""
    peers = [peer for peer in row.peers if not peer.needs or find_spec(peer.needs)]
    stands = row.target is not None and any(peer.name == row.target.peer for peer in peers)
    return replace(row, peers=peers, target=row.target if stands else None)


WARM_UP_EVENTS = 100
CHECK_EVENTS = 200


def measure(row: Row, runs: int, events: int) -> Result:
    """Time the peers of a row in turn, `runs` times: A B C A B C …, so that a slow spell meets them all."""
    if row.check is not None:
        row.check()
    n_events = max(int(events * row.share), WARM_UP_EVENTS)
    n_total = WARM_UP_EVENTS + n_events + CHECK_EVENTS
    streams = [(peer.stream or row.stream)(n_total) for peer in row.peers]
    timings = [Timing(peer.name, max(int(n_events * peer.share), WARM_UP_EVENTS), peer.note) for peer in row.peers]
    for _ in range(runs):
        for peer, timing, stream in zip(row.peers, timings, streams, strict=True):
            driver = peer.start()
            driver.learn(stream[:WARM_UP_EVENTS])
            seen = WARM_UP_EVENTS + timing.events
            part = stream[WARM_UP_EVENTS:seen]
            with _collector_off():
                start = time.perf_counter_ns()
                driver.learn(part)
                elapsed_ns = time.perf_counter_ns() - start
            timing.us_per_event.append(elapsed_ns / 1000 / timing.events)
            timing.error = _error(driver, stream[seen : seen + CHECK_EVENTS])
    return Result(row, timings)


@contextmanager
def _collector_off() -> Iterator[None]:
    # Off for everyone, as in timeit: otherwise a peer pays for walking over the events built beforehand.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _error(driver: Driver, events: Sequence[Any]) -> float:
    """Show that the model did learn: its error on events not yet seen, relative to that of their mean."""
    if driver.predict is None:
        return float("nan")
    targets = [float(event[-1]) for event in events]
    mean = statistics.fmean(targets)
    predictions = [driver.predict(event) for event in events]
    own = statistics.fmean(abs(prediction - y) for prediction, y in zip(predictions, targets, strict=True))
    return own / statistics.fmean(abs(y - mean) for y in targets)


# --- What it ran on -------------------------------------------------------------------------------


def environment(libraries: Sequence[str]) -> dict[str, str]:
    """Processor, cores, Python and versions of the libraries that the figures depend on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": str(cores),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        **{name: _version(name) for name in libraries},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            # ARM boards name their model once at the end, x86 machines once per core.
            if line.lower().startswith(("model name", "model\t", "hardware")) and not line.startswith("model\t"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


# --- Output ---------------------------------------------------------------------------------------


def as_table(results: Sequence[Result]) -> str:
    """Lay the results out for people: a block of lines per row, the target in the last column."""
    lines = [
        ("task", "learner", "events", "µs/event", "min", "max", "error", "ours is faster", "target"),
    ]
    for result in results:
        for i, timing in enumerate(result.timings):
            target = ""
            if i == 0 and result.row.target is not None:
                verdict = "pass" if result.passed else "FAIL"
                target = f"{result.row.target}: {result.shown}, {verdict}"
            lines.append(
                (
                    result.row.name if i == 0 else "",
                    timing.peer,
                    f"{timing.events:,}",
                    f"{timing.median:.3f}",
                    f"{min(timing.us_per_event):.3f}",
                    f"{max(timing.us_per_event):.3f}",
                    "" if math.isnan(timing.error) else f"{timing.error:.3g}",
                    "" if i == 0 else f"{result.ratio(timing):.3g} times",
                    target,
                )
            )
    return columns(lines, text=(0, 1, 8))


def columns(lines: Sequence[tuple[str, ...]], text: Container[int] = (0,)) -> str:
    """Lay out lines of cells in columns, those of the places `text` to the left, numbers to the right."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in text else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def notes(results: Sequence[Result]) -> list[str]:
    """Collect the peers' notes, each once, in order of appearance."""
    found = (f"{t.peer}: {t.note}" for result in results for t in result.timings if t.note)
    return list(dict.fromkeys(found))


def as_json(results: Sequence[Result], ran_on: dict[str, str], command: str) -> str:
    """Write the same for programs, on one line."""
    rows = [
        {
            "task": result.row.name,
            "target": None if result.row.target is None else str(result.row.target),
            "reached": round(result.reached, 2),
            "passed": result.passed,
            "learners": [
                {
                    "name": timing.peer,
                    "events": timing.events,
                    "runs": len(timing.us_per_event),
                    "us_per_event_median": round(timing.median, 4),
                    "us_per_event_min": round(min(timing.us_per_event), 4),
                    "us_per_event_max": round(max(timing.us_per_event), 4),
                    "ours_is_times_faster": round(result.ratio(timing), 2),
                    # JSON has no infinity, where a diverged model may end up.
                    "error": round(timing.error, 4) if math.isfinite(timing.error) else None,
                    "note": timing.note,
                }
                for timing in result.timings
            ],
        }
        for result in results
    ]
    passed = all(result.passed for result in results)
    return json.dumps({"passed": passed, "ran_on": ran_on, "again": command, "rows": rows}, ensure_ascii=False)


def command_line() -> str:
    """Give the command that runs this again."""
    script = Path(sys.argv[0])
    shown = script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script
    return shlex.join(["python", str(shown), *sys.argv[1:]])


def print_rows(rows: Sequence[Any], table: str, libraries: Sequence[str], *, json_: bool) -> None:
    """Print a table, what it ran on and the command that repeats it; or the rows, which are dataclasses, as JSON."""
    ran_on = environment(libraries)
    if json_:
        click.echo(json.dumps({"ran_on": ran_on, "again": command_line(), "rows": [asdict(row) for row in rows]}))
        return
    click.echo(table)
    click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
    click.echo(f"again: {command_line()}")
