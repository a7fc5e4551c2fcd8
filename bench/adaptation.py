"""Progressive errors on drifting streams: each event is predicted, then learned, by our learners and by their peers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import click
import costs
from adaptation_report import Report, as_json, as_text
from bars import Outcome, bars, finite
from contestants import RECOMMENDERS, REGRESSORS
from curves import COLOURS, write_curves
from harness import command_line, environment
from recordings import RECORDINGS, Recording
from trials import BEFORE, Cache, Score, Trial, run

LIBRARIES = ("edgedescent", "numpy", "river", "vowpalwabbit", "samlb")
QUICK_EVENTS = 1000


@dataclass(frozen=True)
class Options:
    """Options of the command line."""

    data: Path | None
    baseline: Path | None
    events: int
    quick: bool
    outliers: bool

    def n_events(self, recording: Recording) -> int:
        """Number of events of a stream that are read."""
        if self.quick:
            return QUICK_EVENTS
        # Recommenders need more events: most ids come a few times.
        return sys.maxsize if recording.input_kind == "ratings" else self.events * recording.length


def plan(recording: Recording, options: Options, outcome: Outcome) -> Iterator[Trial]:
    """The trials of a stream; what is left out is noted in its outcome."""
    ratings = recording.input_kind == "ratings"
    for contestant in RECOMMENDERS if ratings else REGRESSORS:
        if reason := contestant.why_not(recording, options.quick):
            outcome.left_out[contestant.name] = reason
            continue
        trial = Trial(recording.name, contestant.name, options.data, options.n_events(recording))
        yield trial
        if options.outliers and contestant.role != "peer" and not ratings:
            yield replace(trial, outliers=True)
    if options.baseline is not None and not ratings:
        yield Trial(
            recording.name, BEFORE, options.data, options.n_events(recording), checkout=options.baseline.resolve()
        )


def compare(
    chosen: Sequence[Recording], options: Options, jobs: int, cache: Cache, on_progress: Callable[[str], None]
) -> list[Outcome]:
    """Let every contestant have its try at every stream, `jobs` of them at a time."""
    outcomes = {recording.name: Outcome(recording, 0, []) for recording in chosen}
    trials = [
        replace(trial, known=cache.find(trial))
        for recording in chosen
        for trial in plan(recording, options, outcomes[recording.name])
    ]
    for done, (trial, found) in enumerate(results(trials, jobs), start=1):
        cache.add(trial, found)
        outcome = outcomes[trial.stream]
        outcome.events = found.events
        (outcome.outlying if trial.outliers else outcome.scores).append(found)
        on_progress(f"{done} of {len(trials)}: {trial.stream}, {trial.learner}{', outliers' * trial.outliers}")
    # They arrive in any order; the report is the same for every order.
    order = {contestant.name: place for place, contestant in enumerate((*REGRESSORS, *RECOMMENDERS))}
    for outcome in outcomes.values():
        for scores in (outcome.scores, outcome.outlying):
            scores.sort(key=lambda one: order.get(one.learner, -1))
    return list(outcomes.values())


def results(trials: Sequence[Trial], jobs: int) -> Iterator[tuple[Trial, Score]]:
    """The trials with their scores, as they arrive."""
    if jobs == 1:
        for trial in trials:
            yield trial, run(trial)
        return
    # Started anew, not forked: the libraries of the peers may have threads.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(run, trial): trial for trial in trials}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def draw(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write the errors over time of each stream as a picture: ours, and as many of the best peers as have colours."""
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        peers = sorted((one for one in outcome.scores if one.role == "peer"), key=lambda one: finite(one.mae))
        lines = [*(one for one in outcome.scores if one.role != "peer"), *peers][: len(COLOURS)]
        path = folder / f"{outcome.recording.name.replace(',', '').replace(' ', '-').lower()}.svg"
        write_curves(path, outcome.recording.name, outcome.events, {one.learner: one.curve for one in lines})


@click.command(epilog="Example: python bench/adaptation.py --data recordings --baseline ../edgedescent-0.1.0 --jobs 4")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option(
    "--baseline",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Checkout of version 0.1.0 with a .venv of its own; without it costs are ratios to today's MLPRegressor.",
)
@click.option(
    "--events",
    type=click.IntRange(min=100),
    default=10_000,
    show_default=True,
    help="Of each stream; five times as many of the two long ones.",
)
@click.option("--only", default="", help="Only the streams whose name holds this text, such as 'bike'.")
@click.option("--quick", is_flag=True, help="The first 1,000 events, without the slow peers and without verdicts.")
@click.option("--outliers", is_flag=True, help="Also with 1 % of the labels off by 20 deviations, for our learners.")
@click.option(
    "--runs",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Timed runs of each learner, in turn; 0 for no costs.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that learn side by side."
)
@click.option(
    "--cache", type=click.Path(dir_okay=False, path_type=Path), help="Keep and reuse the results of peers in this file."
)
@click.option("--curves", type=click.Path(file_okay=False, path_type=Path), help="Also draw errors over time, here.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of tables.")
def main(
    data: Path | None,
    baseline: Path | None,
    events: int,
    only: str,
    quick: bool,
    outliers: bool,
    runs: int,
    jobs: int,
    cache: Path | None,
    curves: Path | None,
    json_: bool,
) -> None:
    """Compare progressive errors (predict, then learn, event after event) with those of peers.

    All get the same features, and their default or documented settings, the same on every stream. Ratings are read
    whole. Takes an hour on two cores, most of it for the tree ensembles. Exits with 1 if a bar is missed.
    """
    if baseline is not None and not (baseline / ".venv/bin/python").exists():
        raise click.ClickException(f"{baseline} has no .venv/bin/python. Run `make .venv/.installed` there once.")
    named = [recording for recording in RECORDINGS if only.lower() in recording.name.lower()]
    if not named:
        raise click.ClickException(f"No stream holds {only!r}. There are: {'; '.join(r.name for r in RECORDINGS)}.")
    skipped = {recording.name: reason for recording in named if (reason := recording.why_not(data))}
    options = Options(data, baseline, events, quick, outliers)
    seconds, start = {}, time.monotonic()
    on_progress = progress()
    outcomes = compare(
        [recording for recording in named if recording.name not in skipped], options, jobs, Cache(cache), on_progress
    )
    seconds["errors"], start = time.monotonic() - start, time.monotonic()
    cost = None
    if runs and not quick:
        cost = costs.measure(data, baseline, runs, events, on_progress)
        seconds["costs"] = time.monotonic() - start
    if curves:
        draw(curves, outcomes)
    # On the first thousand events a bar says nothing.
    judged = [] if quick else [*bars(outcomes), *(cost.bars() if cost else [])]
    report = Report(outcomes, skipped, judged, cost, seconds, environment(LIBRARIES), command_line())
    click.echo(as_json(report) if json_ else as_text(report))
    sys.exit(0 if all(bar.passed for bar in judged) else 1)


def progress() -> Callable[[str], None]:
    """Function that reports progress where a person watches; one that does nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda text: click.echo(f"{text} …", err=True)


if __name__ == "__main__":
    main()
