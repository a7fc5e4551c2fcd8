"""The command line of the simulated world."""

from __future__ import annotations

import json
import os
import sys
import time

import click
import msgspec

from edgedescent.commands.common import JSON, SETTINGS, example
from edgedescent_world.runner import Outcome, simulate
from edgedescent_world.soak import Totals, command, soak

_PROGRESS_S = 1.0
_PROGRESS_IN_A_FILE_S = 30.0
"""How often the progress is told where nobody sees it being overwritten."""


class _Progress:
    """One line that says how far it is, and one for each violation."""

    def __init__(self, worlds: int) -> None:
        self._worlds = worlds
        self._started = time.monotonic()
        self._told = self._started
        self._watched = sys.stderr.isatty()

    def __call__(self, totals: Totals, outcome: Outcome) -> None:
        if outcome.violation is not None:
            click.echo(f"{self._end()}Seed {outcome.seed}: {outcome.violation}", err=True)
            click.echo(f"  Reproduce it with: {command(outcome.seed)}", err=True)
        now = time.monotonic()
        if now - self._told >= (_PROGRESS_S if self._watched else _PROGRESS_IN_A_FILE_S):
            self._told = now
            rate = totals.worlds / (now - self._started)
            line = (
                f"{totals.worlds:,} of {self._worlds:,} worlds, {rate:.0f} a second, "
                f"{(self._worlds - totals.worlds) / rate:.0f} s left, {len(totals.violations)} violations"
            )
            click.echo(f"\r{line}  " if self._watched else line, err=True, nl=not self._watched)

    def _end(self) -> str:
        return "\n" if self._watched else ""


@click.command(
    context_settings=SETTINGS,
    epilog=example("python -m edgedescent_world --seeds 500", "python -m edgedescent_world --seed 7 --verbose"),
)
@click.option("--seed", type=int, help="Run this one world.")
@click.option("--seeds", type=click.IntRange(min=1), default=1000, show_default=True, help="Run so many worlds.")
@click.option("--first", type=int, default=0, show_default=True, help="The seed of the first of them.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes that share them.  [default: one a processor]")
@click.option("--verbose", is_flag=True, help="Print the steps of the one world.")
@JSON
def main(seed: int | None, seeds: int, first: int, jobs: int | None, verbose: bool, as_json: bool) -> None:
    """Run the daemon's own code on a simulated clock, disk and broker on which everything goes wrong.

    Each seed is a world of its own. Fails if the daemon breaks a promise in any of them.
    """
    if verbose and seed is None:
        raise click.UsageError("--verbose needs --seed: the steps of one world are enough to read.")
    if seed is not None:
        outcome = simulate(seed, trace=click.echo if verbose else None)
        totals = Totals()
        totals.add(outcome)
        if outcome.violation is not None:
            click.echo(f"Seed {seed}: {outcome.violation}", err=True)
            if not verbose:
                click.echo(f"  Reproduce it with: {command(seed)}", err=True)
    else:
        progress = _Progress(seeds)
        totals = soak(range(first, first + seeds), jobs or os.cpu_count() or 1, progress)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(totals)))
    else:
        _print(totals)
    sys.exit(1 if totals.violations else 0)


def _print(totals: Totals) -> None:
    sums = totals.sums
    click.echo(
        f"{totals.worlds:,} worlds, {len(totals.violations)} violations. "
        f"{sums['lives']:,} lives of the daemon: {sums['kills']:,} kills, {sums['power_cuts']:,} power cuts, "
        f"{sums['failures']:,} ends for a failing or full disk, {sums['stops']:,} stops. "
        f"{sums['messages']:,} messages sent, {sums['lost_by_broker']:,} copies lost by the broker with its session, "
        f"{sums['learned']:,} events learned, each once; "
        f"{sums['in_order']:,} worlds compared to a run without faults."
    )


if __name__ == "__main__":
    main()
