"""Time predict and learn of our learners beside their peers, on the same events: as dicts, arrays, JSON and ratings.

A new line of the table is one function that returns a `Driver` for a fresh model, and one `Peer` in a row; the rows
stand in the files `learn_*.py`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import click
from harness import Row, as_json, as_table, command_line, environment, measure, notes, with_installed
from learn_arrays import arrays_row
from learn_dicts import dicts_row, hashed_row
from learn_json import json_row
from learn_network import network_row
from learn_ratings import factors_row, machine_row
from learn_recommend import recommend_row

from edgedescent.optim import SGD, Adam

LIBRARIES = ("edgedescent", "numpy", "msgspec", "river", "scikit-learn", "vowpalwabbit")


def rows() -> list[Row]:
    """Every line of the table."""
    sgd, adam = SGD(lr=0.01), Adam(lr=0.01)
    return [
        dicts_row(10, sgd, at_least=15),
        dicts_row(10, adam, at_least=20),
        dicts_row(100, sgd, at_least=15),
        dicts_row(100, adam, at_least=40),
        arrays_row(10, sgd),
        arrays_row(10, adam),
        arrays_row(100, sgd),
        arrays_row(100, adam),
        json_row(10),
        json_row(100),
        factors_row(),
        machine_row(),
        recommend_row(),
        network_row(),
        hashed_row(),
    ]


@click.command(epilog="Example: python bench/learn.py --runs 9")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Interleaved runs.")
@click.option(
    "--events",
    type=click.IntRange(min=1000),
    default=20_000,
    show_default=True,
    help="Events per run; with 100 features a fifth of them.",
)
@click.option("--only", default="", help="Only the rows whose name holds this text, such as 'Adam'.")
@click.option("--quick", is_flag=True, help="3 runs of 4,000 events: a smoke test, not a figure to quote.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(runs: int, events: int, only: str, quick: bool, json_: bool) -> None:
    """Time predict and learn per event beside River, scikit-learn, Vowpal Wabbit, NumPy and a plain C loop.

    Every learner gets the same events in the same order, prebuilt, a fresh model per run, a warm-up of 100
    events, and the garbage collector switched off. Exits with 1 if a row misses its target.
    """
    missing = [name for name in ("river", "sklearn") if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"This needs {' and '.join(missing)}. Install them with: pip install 'edgedescent[bench]'"
        )
    if quick:
        runs, events = 3, 4000
    chosen = [with_installed(row) for row in rows() if only.lower() in row.name.lower()]
    if not chosen:
        raise click.ClickException(f"No row holds {only!r}. There are: {'; '.join(row.name for row in rows())}")
    results = []
    for row in chosen:
        if not json_ and sys.stderr.isatty():
            click.echo(f"{row.name} …", err=True)
        try:
            results.append(measure(row, runs, events))
        except RuntimeError as error:
            raise click.ClickException(str(error)) from error
    ran_on = environment(LIBRARIES)
    if json_:
        click.echo(as_json(results, ran_on, command_line()))
    else:
        click.echo(f"predict, then learn; medians of {runs} interleaved runs\n")
        click.echo(as_table(results))
        click.echo("\nerror: mean absolute error on 200 further events, relative to predicting their mean.")
        for note in notes(results):
            click.echo(note)
        click.echo("ran on: " + ", ".join(f"{name} {value}" for name, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
    sys.exit(0 if all(result.passed for result in results) else 1)


if __name__ == "__main__":
    main()
