"""Progressive errors on drifting streams: each event is predicted, then learned, by our learners and by their peers."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from curves import write_curves
from harness import command_line, environment
from recordings import RECORDINGS, Recording

from edgedescent import FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.evaluation import ErrorCurve, Prequential
from edgedescent.optim import CountedSGD
from edgedescent_sims.peers import PEERS

LIBRARIES = ("edgedescent", "numpy", "river", "vowpalwabbit")
WINDOWS = 40

Step = Callable[..., float]
"""Predicts an event, then learns it; returns the prediction."""


@dataclass(frozen=True)
class Contestant:
    """A learner with the settings it has by default or by its documentation.

    Args:
        name: as the table calls it.
        start: makes a fresh model and returns its step.
        ours: whether it is one of this project.
        slow: whether it takes milliseconds per event, and is left out of a quick run.
        needs: the module without which it is left out.
    """

    name: str
    start: Callable[[], Step]
    ours: bool = False
    slow: bool = False
    needs: str = "river"


# --- Learners of features -------------------------------------------------------------------------


def peer(name: str, **parameters: Any) -> Callable[[], Step]:
    """Return what starts a peer of the simulators."""
    return lambda: PEERS[name](**parameters).predict_learn_one


REGRESSORS = (
    Contestant("MLPRegressor", lambda: MLPRegressor().predict_learn_one, ours=True),
    Contestant("LinearRegressor", lambda: LinearRegressor().predict_learn_one, ours=True),
    Contestant("last value", peer("LastValue")),
    Contestant("River linear, Adam 0.1", peer("RiverLinear")),
    Contestant("River Hoeffding adaptive tree", peer("RiverHoeffdingAdaptiveTree")),
    Contestant("River ARF", peer("RiverARF"), slow=True),
    Contestant("River AMF", peer("RiverAMF"), slow=True),
    Contestant("VW", peer("VowpalWabbit"), needs="vowpalwabbit"),
    Contestant("VW --coin", peer("VowpalWabbit", options="--coin"), needs="vowpalwabbit"),
)


# --- Recommenders ---------------------------------------------------------------------------------


def machine_of_ids(**parameters: Any) -> Step:
    model = FactorizationMachine(features_max=100_000, **parameters)
    return lambda user, item, y: min(max(model.predict_learn_one({"user": user, "item": item}, y), 0.0), 10.0)


def rating_peer(name: str) -> Callable[[], Step]:
    """Return what starts a peer whose predictions are clipped to the scale of the ratings, which is known: 0 to 10."""

    def start() -> Step:
        step = peer(name)()
        return lambda user, item, y: min(max(step(user, item, y), 0.0), 10.0)

    return start


RECOMMENDERS = (
    Contestant("MatrixFactorization", lambda: MatrixFactorization().predict_learn_one, ours=True),
    Contestant("FactorizationMachine", machine_of_ids, ours=True),
    # Not as it comes, and so not judged: with the step rule that MatrixFactorization has.
    Contestant("FactorizationMachine, CountedSGD 0.3", lambda: machine_of_ids(optimizer=CountedSGD(lr=0.3)), ours=True),
    Contestant("running mean", peer("RunningMean")),
    Contestant("River Baseline", rating_peer("RiverBaseline")),
    Contestant("River BiasedMF", rating_peer("RiverBiasedMF")),
)


# --- Scores ---------------------------------------------------------------------------------------


@dataclass
class Score:
    """Errors and cost of one learner on one stream."""

    name: str
    ours: bool
    mae: float
    rmse: float
    us_per_event: float
    curve: list[float] = field(default_factory=list)
    """The mean absolute error in each of `WINDOWS` equal parts of the stream."""


def score(contestant: Contestant, events: Sequence[Any]) -> Score:
    """Predict and learn each event; the first one, of which nobody can know anything, does not count."""
    step = contestant.start()
    start = time.perf_counter()
    predictions = np.array([step(*event) for event in events], dtype=np.float64)
    elapsed_us = (time.perf_counter() - start) * 1e6
    y = np.array([event[-1] for event in events], dtype=np.float64)
    errors, curve = Prequential(), ErrorCurve(points=WINDOWS, length=max(len(events) - 1, 1))
    errors.update_many(y, predictions)
    curve.update_many(np.arange(1, len(events)), y[1:], predictions[1:])
    found = errors.summary()
    return Score(
        contestant.name,
        contestant.ours,
        found["mae"],
        found["rmse"],
        elapsed_us / len(events),
        curve.errors.tolist(),
    )


def verdicts(stream: str, scores: Sequence[Score]) -> list[tuple[str, bool]]:
    """Judge the targets of a stream: what each says, and whether it is reached."""
    by_name = {one.name: one for one in scores}
    if stream in ("bike sharing", "metro traffic", "household power"):
        ours = by_name["MLPRegressor"]
        best = min((one for one in scores if not one.ours), key=lambda one: one.mae)
        text = f"MLPRegressor, MAE {ours.mae:.4g}, below every peer's; the best is {best.name}, {best.mae:.4g}"
        return [(text, ours.mae < best.mae)]
    if stream == "FriedmanDrift":
        ours = by_name["MLPRegressor"]
        return [(f"MLPRegressor, MAE {ours.mae:.4g}, below 1.45", ours.mae < 1.45)]
    if stream == "MovieTweetings":
        ours = by_name["MatrixFactorization"]
        text = f"MatrixFactorization, MAE {ours.mae:.4f} below 1.175 and RMSE {ours.rmse:.4f} below 1.585"
        return [(text, ours.mae < 1.175 and ours.rmse < 1.585)]
    return []


# --- Command line ---------------------------------------------------------------------------------


@dataclass
class Outcome:
    """All that was found on one stream."""

    recording: Recording
    events: int
    scores: list[Score]
    targets: list[tuple[str, bool]]


@click.command(epilog="Example: python bench/adaptation.py --data recordings --only bike")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--events", type=click.IntRange(min=100), default=10_000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams whose name holds this text, such as 'bike'.")
@click.option("--quick", is_flag=True, help="The first 1,000 events, without the slow peers and without verdicts.")
@click.option("--curves", type=click.Path(file_okay=False, path_type=Path), help="Also draw errors over time, here.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of tables.")
def main(data: Path | None, events: int, only: str, quick: bool, curves: Path | None, json_: bool) -> None:
    """Compare progressive errors (predict, then learn, event after event) with those of peers.

    All get exactly the same features, and their default or documented settings, the same on every stream. Ratings
    are read whole. Takes some minutes, most of them for the tree ensembles. Exits with 1 if a target is missed.
    """
    if find_spec("river") is None:
        raise click.ClickException("This needs river. Install it with: pip install 'edgedescent[bench]'")
    chosen = [recording for recording in RECORDINGS if only.lower() in recording.name.lower()]
    if not chosen:
        raise click.ClickException(f"No stream holds {only!r}. There are: {', '.join(r.name for r in RECORDINGS)}.")
    outcomes = []
    skipped = {}
    for recording in chosen:
        if reason := recording.why_not(data):
            skipped[recording.name] = reason
            if not json_:
                click.echo(f"{recording.name}: skipped, because {reason}.\n")
            continue
        outcome = compare(recording, data, 1000 if quick else events, quick, show_progress=not json_)
        outcomes.append(outcome)
        if not json_:
            click.echo(as_table(outcome))
    if curves:
        curves.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            path = curves / f"{outcome.recording.name.replace(' ', '-').lower()}.svg"
            write_curves(path, outcome.recording.name, outcome.events, {one.name: one.curve for one in outcome.scores})
    ran_on = environment(LIBRARIES)
    if json_:
        click.echo(as_json(outcomes, skipped, ran_on))
    else:
        click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(reached for outcome in outcomes for _, reached in outcome.targets) else 1)


def compare(recording: Recording, data: Path | None, n_events: int, quick: bool, show_progress: bool) -> Outcome:
    """Let every contestant have its try at a stream."""
    ratings = recording.input_kind == "ratings"
    # Recommenders need more events: most ids come a few times.
    stream = recording.events(data, n_events if quick or not ratings else sys.maxsize)
    scores = []
    for contestant in RECOMMENDERS if ratings else REGRESSORS:
        if (quick and contestant.slow) or find_spec(contestant.needs) is None:
            continue
        if show_progress and sys.stderr.isatty():
            click.echo(f"{recording.name}: {contestant.name} …", err=True)
        scores.append(score(contestant, stream))
    # On the first thousand events a target says nothing.
    return Outcome(recording, len(stream), scores, [] if quick else verdicts(recording.name, scores))


def as_table(outcome: Outcome) -> str:
    """Lay out a stream for people, the smallest error first."""
    lines = [("", "MAE", "RMSE", "µs/event")]
    lines += [
        (f"{'* ' if one.ours else ''}{one.name}", f"{one.mae:.4g}", f"{one.rmse:.4g}", f"{one.us_per_event:.1f}")
        for one in sorted(outcome.scores, key=lambda one: one.mae)
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    body = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    targets = [f"target: {text}: {'pass' if reached else 'FAIL'}" for text, reached in outcome.targets]
    return "\n".join([f"{outcome.recording.name}, {outcome.events:,} events (* ours)", *body, *targets, ""])


def as_json(outcomes: Sequence[Outcome], skipped: dict[str, str], ran_on: dict[str, str]) -> str:
    """Write the same for programs, on one line."""
    streams = [
        {
            "stream": outcome.recording.name,
            "events": outcome.events,
            "targets": [{"target": text, "passed": reached} for text, reached in outcome.targets],
            "learners": [
                {
                    "name": one.name,
                    "ours": one.ours,
                    "mae": round(one.mae, 5) if math.isfinite(one.mae) else None,
                    "rmse": round(one.rmse, 5) if math.isfinite(one.rmse) else None,
                    "us_per_event": round(one.us_per_event, 2),
                    "mae_over_time": [round(value, 5) if math.isfinite(value) else None for value in one.curve],
                }
                for one in outcome.scores
            ],
        }
        for outcome in outcomes
    ]
    return json.dumps(
        {
            "passed": all(reached for outcome in outcomes for _, reached in outcome.targets),
            "ran_on": ran_on,
            "again": command_line(),
            "skipped": skipped,
            "streams": streams,
        },
        ensure_ascii=False,
    )


if __name__ == "__main__":
    main()
