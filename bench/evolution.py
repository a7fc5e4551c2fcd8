"""Evolution of the networks of the automatic regressor: errors with it over errors without it, on long streams."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
from bars import geometric_mean
from harness import columns, command_line, environment
from recordings import RECORDINGS, Recording, friedman_drift
from trials import without_previous

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import BUDGETS, EVOLUTION, Members
from edgedescent_sims.drift import SignFlip, WeightChange
from edgedescent_sims.sources import FriedmanStream, Source

EVENTS = 50_000
EVOLVING = [name for name, members in BUDGETS.items() if members.evolution is not None]
PARTS = 5
"""Number of equal parts of a stream; the last one is shown beside the whole."""


def jumps(every: int, width: int, _path: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """Friedman's function, to which a new linear function is added again and again, at once or over `width` events."""
    rng, stream = np.random.default_rng(7), cast("Source", FriedmanStream(n_events=EVENTS, noise=1.0, seed=7))
    previous = np.zeros(5)
    for at in range(every, EVENTS, every):
        weights = rng.normal(0.0, 8.0, 5)
        stream = WeightChange(
            stream,
            columns=tuple(f"x{i}" for i in range(5)),
            deltas=tuple(map(float, weights - previous)),
            centers=(0.5,) * 5,
            scales=(1.0,) * 5,
            at=at,
            shape="incremental" if width else "abrupt",
            width=width,
        )
        previous = weights
    return ((event["x"], event["y"]) for event in stream.events())


def returns(period: int, _path: Path) -> Iterator[tuple[dict[str, Any], float]]:
    """Friedman's function; the effects of two features turn around and back."""
    stream = FriedmanStream(n_events=EVENTS, noise=1.0, seed=8)
    flipped = SignFlip(stream, columns=("x3", "x4"), at=2000, shape="recurring", period=period)
    return ((event["x"], event["y"]) for event in flipped.events())


SIMULATED = (
    *(
        Recording(f"FriedmanDrift {kind}", partial(friedman_drift, kind, positions))
        for kind, positions in (
            ("lea", (10_000, 25_000, 40_000)),
            ("gra", (15_000, 35_000)),
            ("gsg", (15_000, 35_000)),
        )
    ),
    Recording("Friedman, a jump each 1,250 events", partial(jumps, 1250, 0)),
    Recording("Friedman, drifting on and on", partial(jumps, 2500, 2500)),
    Recording("Friedman, two regimes by turns", partial(returns, 2000)),
)
"""Streams that are drawn from a seed. The functions are those of Friedman 1991, which change as their names say."""
LONG = (
    "bike sharing",
    "metro traffic",
    "household power",
    "machine temperature",
    "samlb House8L",
    "samlb MetroTraffic",
    "samlb california_housing",
    "samlb cps88wages",
    "samlb diamonds",
    "samlb fried",
)
"""Recordings of 15,000 events and more."""
STREAMS = (*(one for one in RECORDINGS if one.name in LONG), *SIMULATED)


@dataclass(frozen=True)
class Row:
    """Errors of the two regressors on a stream."""

    stream: str
    events: int
    without: float
    """Mean absolute error without evolution."""
    ratio: float
    """Error with evolution over that without it."""
    last: float
    """The same in the last fifth of the stream."""
    replaced: int
    """Number of networks that were replaced."""


def regressor(budget: str, evolves: bool, first_events: int) -> AutoRegressor:
    """Make the automatic regressor with or without the evolution of its networks."""
    evolution = EVOLUTION._replace(first_events=first_events) if evolves else None
    chosen = BUDGETS[budget]._replace(evolution=evolution)

    class Varied(AutoRegressor):
        @property
        def members(self) -> Members:
            return chosen

    return Varied(budget=budget)  # type: ignore[arg-type]


def run(name: str, budget: str, data: Path | None, n_events: int, first_events: int) -> Row:
    """Predict and learn each event of a stream, with evolution and without."""
    recording = next(one for one in STREAMS if one.name == name)
    events = without_previous(list(islice(recording.read(recording.path(data) or Path()), n_events)))
    y = np.array([y for _, y in events], dtype=np.float64)
    parts, whole, replaced = [], [], 0
    for evolves in (False, True):
        model = regressor(budget, evolves, first_events)
        step: Callable[..., float] = model.predict_learn_one
        # Nobody can know anything about the first event.
        errors = np.abs(np.array([step(*event) for event in events], dtype=np.float64) - y)[1:]
        whole.append(float(errors.mean()))
        parts.append(float(np.array_split(errors, PARTS)[-1].mean()))
        replaced = model.counts().get("networks_replaced", 0)
    return Row(name, len(y), whole[0], whole[1] / whole[0], parts[1] / parts[0], replaced)


def as_table(rows: Sequence[Row]) -> str:
    """Lay out the rows for people, the streams that lose by evolution first."""
    lines = [
        ("stream", "events", "MAE without", "ratio", "last fifth", "replaced"),
        *(
            (one.stream, f"{one.events:,}", f"{one.without:.4g}", f"{one.ratio:.3f}", f"{one.last:.3f}",
             str(one.replaced))
            for one in sorted(rows, key=lambda one: -one.ratio)
        ),
    ]  # fmt: skip
    return columns(lines, text=(0,))


@click.command(epilog="Example: python bench/evolution.py --data recordings --only metro")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--budget", type=click.Choice(EVOLVING), default=EVOLVING[0], show_default=True, help="Members.")
@click.option("--events", type=click.IntRange(min=100), default=EVENTS, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams whose name holds this text.")
@click.option("--quick", is_flag=True, help="The first 1,500 events, evolving from event 100 on: a smoke test.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes side by side.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(data: Path | None, budget: str, events: int, only: str, quick: bool, jobs: int, json_: bool) -> None:
    """Compare the errors of `AutoRegressor` with and without the evolution of its networks, on long streams.

    A ratio of 0.95 says that evolution lowers the error by 5 %. Takes a quarter of an hour on two cores.
    """
    named = [one for one in STREAMS if only.lower() in one.name.lower()]
    skipped = {one.name: reason for one in named if (reason := one.why_not(data))}
    chosen = [one.name for one in named if one.name not in skipped]
    if not chosen:
        raise click.ClickException(f"No stream that can be read holds {only!r}. Is --data given?")
    first_events = 100 if quick else EVOLUTION.first_events
    tasks = [(name, budget, data, 1500 if quick else events, first_events) for name in chosen]
    start, rows = time.monotonic(), []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for row in pool.map(run, *zip(*tasks, strict=True)):
            rows.append(row)
            if sys.stderr.isatty():
                click.echo(f"\r\33[K{len(rows)} of {len(tasks)}, {time.monotonic() - start:.0f} s", err=True, nl=False)
    if sys.stderr.isatty():
        click.echo("\r\33[K", err=True, nl=False)
    ran_on = environment(("edgedescent", "numpy", "river"))
    mean, last = (geometric_mean([getattr(row, part) for row in rows]) for part in ("ratio", "last"))
    if json_:
        answer = {
            "ran_on": ran_on,
            "again": command_line(),
            "budget": budget,
            "skipped": skipped,
            "mean": mean,
            "last": last,
            "rows": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    click.echo(as_table(rows))
    for name, reason in skipped.items():
        click.echo(f"{name}: skipped, because {reason}.")
    click.echo(f"geometric means of {len(rows)} streams: {mean:.3f}, in the last fifth {last:.3f}")
    click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
    click.echo(f"again: {command_line()}")


if __name__ == "__main__":
    main()
