"""Ablation of the automatic regressor: its error without each ingredient, over its error with all of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from bars import geometric_mean
from harness import columns, command_line, environment
from recordings import RECORDINGS, Recording
from trials import events_of, recording_named, score, without_previous

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import BUDGETS, SHORT, Members

ALL = "all"
"""Name of the regressor that lacks nothing."""

VARIANTS: dict[str, Callable[[Members], Members]] = {
    ALL: lambda members: members,
    "networks": lambda members: members._replace(networks=()),
    "networks that replay all stored events": lambda members: members._replace(
        networks=tuple(one for one in members.networks if one.replay_size == SHORT)
    ),
    "networks that replay the latest": lambda members: members._replace(
        networks=tuple(one for one in members.networks if one.replay_size != SHORT)
    ),
    "replay": lambda members: members._replace(
        networks=tuple(one._replace(replay_steps=0) for one in members.networks)
    ),
    "recursive least squares": lambda members: members._replace(squares=()),
    "members on the change": lambda members: members._replace(
        networks=tuple(one._replace(on_change=False) for one in members.networks),
        squares=tuple(one for one in members.squares if not one.on_change),
    ),
    "members on the label": lambda members: members._replace(
        networks=tuple(one._replace(on_change=True) for one in members.networks),
        squares=tuple(one for one in members.squares if one.on_change),
    ),
    "neighbours": lambda members: members._replace(neighbours=0),
    "trees": lambda members: members._replace(trees=None),
    "repeated values": lambda members: members._replace(
        networks=tuple(one._replace(takes_values=False) for one in members.networks)
    ),
    "lags of the label": lambda members: members._replace(own_lags=False),
    "lags of the key": lambda members: members._replace(key_lags=False),
    "stacks": lambda members: members._replace(stacks=()),
    "forgetting of regrets": lambda members: members._replace(regret_forgetting=1.0),
    "guard against outlying labels": lambda members: members._replace(guard=False),
}
"""Specification of the members without each ingredient."""


@dataclass(frozen=True)
class Row:
    """Error and cost without an ingredient on a stream."""

    without: str
    stream: str
    events: int
    mae: float
    us_per_event: float
    """Processor time."""


def regressor(budget: str, without: str) -> AutoRegressor:
    """Make the automatic regressor without an ingredient."""
    chosen = VARIANTS[without](BUDGETS[budget])

    class Ablated(AutoRegressor):
        @property
        def members(self) -> Members:
            return chosen

    return Ablated(budget=budget)  # type: ignore[arg-type]


def run(without: str, stream: str, budget: str, data: Path | None, n_events: int) -> Row:
    """Predict and learn each event of a stream."""
    events, _ = events_of(stream, data, n_events * recording_named(stream).length)
    y = np.array([y for _, y in events], dtype=np.float64)
    step = regressor(budget, without).predict_learn_one
    start = time.process_time()
    predictions = np.array([step(*event) for event in without_previous(events)], dtype=np.float64)
    us_per_event = (time.process_time() - start) * 1e6 / len(y)
    return Row(without, stream, len(y), score(without, "ours", predictions, y, us_per_event).mae, us_per_event)


def measure(chosen: Sequence[Recording], budget: str, data: Path | None, events: int, jobs: int) -> Iterator[Row]:
    """Yield a row for each stream and ingredient, stream by stream."""
    tasks = [(without, recording.name, budget, data, events) for recording in chosen for without in VARIANTS]
    if jobs == 1:
        yield from (run(*task) for task in tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run, *zip(*tasks, strict=True))


@dataclass(frozen=True)
class Worth:
    """Ratios of errors and of time without an ingredient to those with all of them."""

    without: str
    mean: float
    """Geometric mean over all streams; above 1 the ingredient helps."""
    most: float
    most_on: str
    """Stream on which the ingredient helps most."""
    least: float
    least_on: str
    """Stream on which it helps least, or harms."""
    cost: float
    """Time per event without it over that with it, geometric mean."""


def worth(rows: Sequence[Row]) -> list[Worth]:
    """Compare each ingredient's rows with those of the whole, the most valuable first."""
    whole = {row.stream: row for row in rows if row.without == ALL}
    found = []
    for without in VARIANTS:
        own = [row for row in rows if row.without == without]
        if without == ALL or not own:
            continue
        ratios = {row.stream: row.mae / whole[row.stream].mae for row in own}
        costs = [row.us_per_event / whole[row.stream].us_per_event for row in own]
        most, least = max(ratios, key=lambda name: ratios[name]), min(ratios, key=lambda name: ratios[name])
        found.append(
            Worth(
                without,
                geometric_mean(ratios.values()),
                ratios[most],
                most,
                ratios[least],
                least,
                geometric_mean(costs),
            )
        )
    return sorted(found, key=lambda one: -one.mean)


def as_table(found: Sequence[Worth]) -> str:
    """Lay out what was found for people."""
    lines = [
        ("without", "MAE", "time", "helps most", "helps least"),
        *(
            (one.without, f"{one.mean:.3f}", f"{one.cost:.2f}", f"{one.most:.2f} {one.most_on}",
             f"{one.least:.2f} {one.least_on}")
            for one in found
        ),
    ]  # fmt: skip
    return columns(lines, text=range(5))


@click.command(epilog="Example: python bench/ablation.py --data recordings --budget small --only bike")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--budget", type=click.Choice(list(BUDGETS)), default="default", show_default=True, help="Members.")
@click.option("--events", type=click.IntRange(min=100), default=10_000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams whose name holds this text.")
@click.option("--quick", is_flag=True, help="The first 1,000 events.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes side by side.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(data: Path | None, budget: str, events: int, only: str, quick: bool, jobs: int, json_: bool) -> None:
    """Leave out one ingredient of `AutoRegressor` at a time, and compare errors and time with those of the whole.

    A ratio of 1.05 says that the error is 5 % larger without the ingredient. Takes a quarter of an hour on two cores.
    """
    named = [one for one in RECORDINGS if only.lower() in one.name.lower() and one.input_kind == "features"]
    skipped = {one.name: reason for one in named if (reason := one.why_not(data))}
    chosen = [one for one in named if one.name not in skipped and one.length == 1]
    if not chosen:
        raise click.ClickException(f"No stream that can be read holds {only!r}. Is --data given?")
    rows = []
    for row in measure(chosen, budget, data, 1000 if quick else events, jobs):
        rows.append(row)
        if sys.stderr.isatty():
            click.echo(f"\r\33[K{len(rows)} of {len(chosen) * len(VARIANTS)}: {row.stream}", err=True, nl=False)
    if sys.stderr.isatty():
        click.echo("\r\33[K", err=True, nl=False)
    found, ran_on = worth(rows), environment(("edgedescent", "numpy", "river", "samlb"))
    if json_:
        answer = {
            "ran_on": ran_on,
            "again": command_line(),
            "budget": budget,
            "skipped": skipped,
            "ingredients": [asdict(one) for one in found],
            "rows": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    click.echo(as_table(found))
    for name, reason in skipped.items():
        click.echo(f"{name}: skipped, because {reason}.")
    click.echo(f"{len(chosen)} streams; ratios to `AutoRegressor` with budget {budget}, geometric means")
    click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
    click.echo(f"again: {command_line()}")


if __name__ == "__main__":
    main()
