"""Compare the speed of two checkouts: the same benchmark in each, in turn, in one run.

The machine's speed drifts, so that figures of different hours cannot be compared. Here each round runs the benchmark of
one checkout and then that of the other, and every row is judged by the ratio of the medians over all rounds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

Rows = dict[str, list[float]]
"""Costs of each row, one a round; lower is better."""


def learn_costs(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Microseconds per event of EdgeDescent's own learners."""
    for row in result["rows"]:
        ours = next(learner for learner in row["learners"] if learner["name"] == "EdgeDescent")
        yield row["task"], ours["us_per_event_median"]


def daemon_costs(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Microseconds of wall time and of CPU time per message of EdgeDescent's daemon."""
    for case in result["cases"]:
        if case["consumer"].startswith("EdgeDescent"):
            name = f"{case['consumer']}, QoS {case['qos']}, {case['events_per_message']} events a message"
            yield f"{name}, wall", 1e6 / case["messages_per_s"]
            yield f"{name}, CPU", case["cpu_us_per_message"]


COSTS = {"learn": learn_costs, "daemon": daemon_costs}


def run_once(checkout: Path, benchmark: str, options: tuple[str, ...]) -> dict[str, Any]:
    """Result of one run of a benchmark with the interpreter of the checkout's own virtual environment.

    Raises:
        click.ClickException: if the benchmark prints no result.
    """
    python = checkout / ".venv/bin/python"
    if not python.exists():
        raise click.ClickException(f"{checkout} has no .venv/bin/python. Run `make bench` there once.")
    command = [str(python), f"bench/{benchmark}.py", "--json", *options]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    # A missed target ends with 1 and prints its result all the same.
    if done.returncode not in (0, 1) or not done.stdout.startswith("{"):
        raise click.ClickException(f"{' '.join(command)} failed in {checkout}:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def as_table(old: Rows, new: Rows, slower_max: float) -> tuple[list[str], int]:
    """Lines of the table, the worst ratio first, and how many rows are slower than allowed."""
    medians = {name: (statistics.median(old[name]), statistics.median(new[name])) for name in new if name in old}
    lines = [f"{'old, µs':>10} {'new, µs':>10} {'new / old':>10}  row"]
    slower = 0
    for name, (before, after) in sorted(medians.items(), key=lambda item: item[1][0] / item[1][1]):
        ratio = after / before
        slower += ratio > slower_max
        lines.append(f"{before:10.3f} {after:10.3f} {ratio:10.3f}  {name}{'  SLOWER' if ratio > slower_max else ''}")
    lines += [f"only in one of them: {name}" for name in sorted(old.keys() ^ new.keys())]
    return lines, slower


@click.command(epilog="Example: python bench/compare.py learn ../before . --rounds 7 -- --runs 1")
@click.argument("benchmark", type=click.Choice(sorted(COSTS)))
@click.argument("old", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path))
@click.argument("options", nargs=-1)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Runs of each, in turn.")
@click.option("--slower-max", default=1.05, show_default=True, help="Ratio new / old above which a row fails.")
def main(benchmark: str, old: Path, new: Path, options: tuple[str, ...], rounds: int, slower_max: float) -> None:
    """Run a BENCHMARK in the checkouts OLD and NEW in turn; OPTIONS behind `--` are passed on to it.

    Each checkout needs a virtual environment of its own in .venv. Exits with 1 if a row is slower than allowed.
    """
    costs: dict[Path, Rows] = {old: defaultdict(list), new: defaultdict(list)}
    for done in range(rounds):
        # Who goes first alternates as well, so that neither always runs on the warmer machine.
        for checkout in (old, new) if done % 2 == 0 else (new, old):
            for name, cost in COSTS[benchmark](run_once(checkout, benchmark, options)):
                costs[checkout][name].append(cost)
        click.echo(f"round {done + 1} of {rounds}", err=True)
    lines, slower = as_table(costs[old], costs[new], slower_max)
    click.echo("\n".join(lines))
    click.echo(f"{slower} rows slower than {slower_max:g} times; medians of {rounds} rounds, run in turn.")
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
