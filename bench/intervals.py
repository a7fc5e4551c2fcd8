"""Prediction intervals on drifting streams: coverage, its worst window, and interval score beside a plain window."""

from __future__ import annotations

import json
import math
import sys
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from bars import geometric_mean
from harness import columns, command_line, environment
from numpy.typing import NDArray
from recordings import RECORDINGS

from edgedescent import AutoRegressor, LinearRegressor
from edgedescent.conformal import PredictionIntervals
from edgedescent.evaluation import covered, interval_scores, window_means
from edgedescent_sims.scenarios import library
from edgedescent_sims.simulate.progressive import ProgressiveRun

LEVEL = 0.9
COVERAGE = (0.89, 0.91)
WORST = 0.83
RATIO = 0.97
WINDOW = 500
AFTER_DRIFT = 1000

Floats = NDArray[np.float64]

LEARNERS: dict[str, Callable[[], Any]] = {
    "AutoRegressor, small": lambda: AutoRegressor(budget="small"),
    "LinearRegressor": LinearRegressor,
}


@dataclass(frozen=True)
class Row:
    """Intervals of one learner on one stream; the first event, of which nobody can know anything, does not count."""

    stream: str
    learner: str
    events: int
    coverage: float
    worst: float
    """Least coverage of a window of 500 events."""
    score: float
    """Mean interval score, in units of the target."""
    ratio: float
    """The score relative to that of the plain window."""
    plain_coverage: float
    plain_worst: float
    after_drifts: tuple[tuple[str, float, float], ...] = ()
    """For each drift its label, and in the 1,000 events behind its start the coverage and the worst window."""


def plain_window(y: Floats, prediction: Floats) -> Floats:
    """Bounds by the quantile of the last 500 absolute errors, as split conformal prediction takes it, shape (n, 2)."""
    latest: list[float] = []
    ordered: list[float] = []
    bounds = np.empty((len(y), 2))
    for i, (target, guess) in enumerate(zip(y.tolist(), prediction.tolist(), strict=True)):
        rank = min(math.ceil(LEVEL * (len(ordered) + 1)), len(ordered))
        half = ordered[rank - 1] if ordered else math.inf
        bounds[i] = guess - half, guess + half
        if i == 0:
            continue
        latest.append(abs(target - guess))
        insort(ordered, latest[-1])
        if len(latest) > WINDOW:
            del ordered[bisect_left(ordered, latest[-WINDOW - 1])]
    return bounds


def judge(stream: str, learner: str, y: Floats, prediction: Floats, drifts: Sequence[tuple[str, int]] = ()) -> Row:
    """Score the intervals around predictions that were each made before their event was learned.

    Args:
        stream: Name of the stream.
        learner: Name of the learner.
        y: Targets, shape (n_events,).
        prediction: Predictions, shape (n_events,).
        drifts: Label and first event of each drift.
    """
    # Neither has a bound before the first error.
    bounds = PredictionIntervals((LEVEL,)).update_many(y, prediction, LEVEL)[2:]
    plain = plain_window(y, prediction)[2:]
    y = y[2:]
    held, held_plain = covered(y, *bounds.T), covered(y, *plain.T)
    window = min(WINDOW, len(y))
    score = float(np.mean(interval_scores(y, *bounds.T, LEVEL)))
    after = []
    for label, start in drifts:
        part = held[max(start - 2, 0) : start - 2 + AFTER_DRIFT]
        after.append((label, float(part.mean()), float(window_means(part, min(WINDOW, len(part))).min())))
    return Row(
        stream,
        learner,
        len(y) + 2,
        float(held.mean()),
        float(window_means(held, window).min()),
        score,
        score / float(np.mean(interval_scores(y, *plain.T, LEVEL))),
        float(held_plain.mean()),
        float(window_means(held_plain, window).min()),
        tuple(after),
    )


# --- Streams --------------------------------------------------------------------------------------


def recorded(data: Path | None, n_events: int, only: str, skipped: dict[str, str]) -> Iterator[Row]:
    """Yield the rows of the recordings, and note those that cannot be read."""
    for recording in RECORDINGS:
        if recording.input_kind != "features" or only.lower() not in recording.name.lower():
            continue
        if reason := recording.why_not(data):
            skipped[recording.name] = reason
            continue
        events = recording.events(data, n_events)
        y = np.array([event[-1] for event in events], dtype=np.float64)
        for name, start in LEARNERS.items():
            learner = start()
            prediction = np.array([learner.predict_learn_one(*event) for event in events], dtype=np.float64)
            yield judge(recording.name, name, y, prediction)


def simulated(n_events: int, only: str) -> Iterator[Row]:
    """Yield the rows of the library's drifts of regression."""
    for scenario_name in library.names():
        scenario = library.load(scenario_name)
        if library.group_of(scenario) != library.DRIFTS or only.lower() not in scenario_name:
            continue
        for name, start in LEARNERS.items():
            run = list(ProgressiveRun(scenario.stream, start(), last=n_events))
            y = np.concatenate([scored.target for scored in run])
            prediction = np.concatenate([scored.prediction for scored in run])
            drifts = [(mark.label, mark.start) for mark in scenario.marks() if 2 <= mark.start < len(y)]
            yield judge(f"scenario {scenario_name}", name, y, prediction, drifts)


# --- Verdicts -------------------------------------------------------------------------------------


def verdicts(rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Judge the targets over all rows: what each says, and whether it is reached."""
    found: list[tuple[str, bool]] = []
    for row in rows:
        if row.events > 2 * WINDOW and not COVERAGE[0] <= row.coverage <= COVERAGE[1]:
            found.append((f"{row.stream}, {row.learner}: coverage {row.coverage:.3f}, not 0.89 to 0.91", False))
        worst = min([row.worst, *(worst for _, _, worst in row.after_drifts)])
        if worst < WORST:
            found.append((f"{row.stream}, {row.learner}: {worst:.3f} in a window of 500, below 0.83", False))
    for learner in dict.fromkeys(row.learner for row in rows):
        ratio = geometric_mean([row.ratio for row in rows if row.learner == learner])
        text = f"{learner}: interval score {ratio:.3f} of a plain window's, geometric mean, at most {RATIO}"
        found.append((text, ratio <= RATIO))
    return found


# --- Command line ---------------------------------------------------------------------------------


@click.command(epilog="Example: python bench/intervals.py --data recordings --only sign-flip")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--events", type=click.IntRange(min=600), default=10_000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams and scenarios whose name holds this text.")
@click.option("--quick", is_flag=True, help="The first 1,000 events, without verdicts.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(data: Path | None, events: int, only: str, quick: bool, json_: bool) -> None:
    """Score prediction intervals at 90 % on recorded streams, and behind each drift of the scenario library.

    Takes a minute. Exits with 1 if a target is missed.
    """
    if find_spec("river") is None:
        raise click.ClickException("This needs river. Install it with: pip install 'edgedescent[bench]'")
    skipped: dict[str, str] = {}
    n_events = 1000 if quick else events
    rows = [*recorded(data, n_events, only, skipped), *simulated(n_events, only)]
    if not rows:
        raise click.ClickException(f"No stream and no scenario that can be read holds {only!r}.")
    targets = [] if quick else verdicts(rows)
    passed = all(reached for _, reached in targets)
    ran_on = environment(("edgedescent", "numpy", "river"))
    if json_:
        answer = {
            "passed": passed,
            "ran_on": ran_on,
            "again": command_line(),
            "skipped": skipped,
            "targets": [{"target": text, "passed": reached} for text, reached in targets],
            "rows": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        click.echo(as_table(rows))
        for name, reason in skipped.items():
            click.echo(f"{name}: skipped, because {reason}.")
        for text, reached in targets:
            click.echo(f"target: {text}: {'pass' if reached else 'FAIL'}")
        click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if passed else 1)


def as_table(rows: Sequence[Row]) -> str:
    """Lay out the rows for people, with a line for each drift below its stream."""
    lines = [("", "events", "coverage", "worst 500", "score", "of plain", "plain coverage", "plain worst")]
    for row in rows:
        shares = (f"{row.coverage:.3f}", f"{row.worst:.3f}", f"{row.score:.4g}", f"{row.ratio:.3f}")
        plain = (f"{row.plain_coverage:.3f}", f"{row.plain_worst:.3f}")
        lines.append((f"{row.stream}, {row.learner}", f"{row.events:,}", *shares, *plain))
        lines += [
            (f"  1,000 behind {label}", "", f"{coverage:.3f}", f"{worst:.3f}", "", "", "", "")
            for label, coverage, worst in row.after_drifts
        ]
    return columns(lines)


if __name__ == "__main__":
    main()
