"""Command line of the simulated world."""

from __future__ import annotations

import json
import os
import sys
import time

import click
import msgspec

from edgedescent.console.options import JSON, SETTINGS, example
from edgedescent_world.soak import Totals, command, soak
from edgedescent_world.world import Outcome, simulate

_PROGRESS_S = 1.0
"""Time between two progress reports on a terminal."""
_PROGRESS_IN_A_FILE_S = 30.0
"""Time between two progress reports if the output is not a terminal."""


class _Progress:
    """Progress line, with one more line for each violation."""

    def __init__(self, worlds: int, *, inputs: bool) -> None:
        self._worlds = worlds
        self._inputs = inputs
        self._started = time.monotonic()
        self._reported_at = self._started
        self._terminal = sys.stderr.isatty()

    def __call__(self, totals: Totals, outcome: Outcome) -> None:
        if outcome.violation is not None:
            click.echo(f"{self._end()}Seed {outcome.seed}: {outcome.violation}", err=True)
            click.echo(f"  Reproduce it with: {command(outcome.seed, inputs=self._inputs)}", err=True)
        now = time.monotonic()
        if now - self._reported_at >= (_PROGRESS_S if self._terminal else _PROGRESS_IN_A_FILE_S):
            self._reported_at = now
            rate = totals.worlds / (now - self._started)
            line = (
                f"{totals.worlds:,} of {self._worlds:,} worlds, {rate:.0f} a second, "
                f"{(self._worlds - totals.worlds) / rate:.0f} s left, {len(totals.violations)} violations"
            )
            click.echo(f"\r{line}  " if self._terminal else line, err=True, nl=not self._terminal)

    def _end(self) -> str:
        return "\n" if self._terminal else ""


@click.command(
    context_settings=SETTINGS,
    epilog=example("python -m edgedescent_world --seeds 500", "python -m edgedescent_world --seed 7 --verbose"),
)
@click.option("--seed", type=int, help="Run the one world of this seed.")
@click.option("--seeds", type=click.IntRange(min=1), default=1000, show_default=True, help="Number of worlds to run.")
@click.option("--first", type=int, default=0, show_default=True, help="Seed of the first world.")
@click.option("--jobs", type=click.IntRange(min=1), help="Number of processes.  [default: one per processor]")
@click.option("--inputs", is_flag=True, help="Worlds of devices that make their events of single readings.")
@click.option("--verbose", is_flag=True, help="Print the trace of the one world.")
@JSON
def main(
    seed: int | None, seeds: int, first: int, jobs: int | None, inputs: bool, verbose: bool, as_json: bool
) -> None:
    """Run the daemon's own code on a simulated clock, disk and broker with faults of all kinds.

    Each seed determines one world. Exits with 1 if the daemon breaks a promise in any of them.
    """
    if verbose and seed is None:
        raise click.UsageError("--verbose needs --seed: it prints the trace of a single world.")
    if seed is not None:
        outcome = simulate(seed, trace=click.echo if verbose else None, inputs=inputs)
        totals = Totals()
        totals.add(outcome)
        if outcome.violation is not None:
            click.echo(f"Seed {seed}: {outcome.violation}", err=True)
            if not verbose:
                click.echo(f"  Reproduce it with: {command(seed, inputs=inputs)}", err=True)
    else:
        progress = _Progress(seeds, inputs=inputs)
        totals = soak(range(first, first + seeds), jobs or os.cpu_count() or 1, progress, inputs=inputs)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(totals)))
    else:
        _print(totals)
    sys.exit(1 if totals.violations else 0)


def _print(totals: Totals) -> None:
    sums = totals.sums
    click.echo(
        f"{totals.worlds:,} worlds, {len(totals.violations)} violations. "
        f"{sums['runs']:,} runs of the daemon: {sums['kills']:,} kills, {sums['power_cuts']:,} power cuts, "
        f"{sums['failures']:,} exits because of a failing disk, {sums['stops']:,} stops. "
        f"{sums['messages']:,} messages sent, {sums['lost_by_broker']:,} lost by the broker with its session, "
        f"{sums['learned']:,} events learned, each once; "
        f"{sums['in_order']:,} worlds compared to a run without faults."
    )


if __name__ == "__main__":
    main()
