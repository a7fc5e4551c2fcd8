"""The command `edgedescent sweep`: many configurations on scenarios and seeds, ranked."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgedescent.console.options import JSON, SETTINGS, example

if TYPE_CHECKING:
    from edgedescent_sims.sweep.definition import Sweep
    from edgedescent_sims.sweep.executors import Executor
    from edgedescent_sims.sweep.sweep import SweepResult

_INTERRUPTED = 128 + signal.SIGINT


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent sweep sweep.toml",
        "edgedescent sweep sweep.toml --dry-run",
        "edgedescent sweep sweep.toml --jobs 8 --best best.toml",
        "edgedescent sweep sweep.toml --dask tcp://head:8786",
        "",
        "  # sweep.toml",
        '  scenarios = ["sign-flip", "my-scenario.toml"]',
        "  seeds = 5",
        '  method = "random"             # or "grid", "optuna"',
        "  n_configurations = 40",
        "",
        "  [learner]",
        '  type = "MLPRegressor"',
        "",
        "  [learner.search]",
        "  hidden = [[16], [64, 32]]",
        '  "optimizer.lr" = { low = 1e-4, high = 1.0, log = true }',
    ),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--jobs", type=click.IntRange(1, 1024), help="Number of processes.  [default: the file's; one a core]")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler: tcp://head:8786.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("edgedescent-sweep"),
    show_default=True,
    help="Folder for the journal, the table of all runs and the ranking.",
)
@click.option("--restart", is_flag=True, help="Forget the runs that are done, and begin anew.")
@click.option(
    "--best",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the best configuration to a file, as the [learner] of a device's configuration.",
)
@click.option("--dry-run", is_flag=True, help="Check the file, say how many runs it has, and end.")
@JSON
def sweep(
    *,
    file: Path,
    jobs: int | None,
    dask: str | None,
    out: Path,
    restart: bool,
    best: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run many configurations of a learner on scenarios and seeds, and rank them.

    FILE says what is searched. A sweep that was interrupted, by whatever, goes on where it was when the same command is
    run again: completed runs are kept in a journal. A changed file runs only what is new.
    """
    # Imported here so that `edgedescent --help`, which loads this module, stays quick.
    from edgedescent_sims.sweep import output
    from edgedescent_sims.sweep.definition import load_sweep
    from edgedescent_sims.sweep.ranking import rank

    if jobs is not None and dask is not None:
        raise click.UsageError("--jobs is of this machine, --dask of a cluster: give one of them.")
    stated = load_sweep(file)
    if dry_run:
        _print_plan(stated, as_json=as_json)
        return
    result = _run(stated, _executor(stated, jobs, dask), out, restart=restart)
    ranking = rank(result)
    output.write(result, ranking, out)
    output.print_ranking(result, ranking, out, as_json=as_json)
    if best is not None:
        written = output.write_best(ranking, best)
        click.echo(f"Wrote {best}: {written.label}", err=as_json)
    if result.failures:
        raise click.exceptions.Exit(1)


def _executor(stated: Sweep, jobs: int | None, dask: str | None) -> Executor:
    from edgedescent_sims.sweep.dask_executor import DaskExecutor
    from edgedescent_sims.sweep.executors import PoolExecutor, SerialExecutor

    if dask is not None:
        return DaskExecutor(dask)
    n = min(jobs or stated.jobs or os.cpu_count() or 1, stated.n_runs)
    return SerialExecutor() if n == 1 else PoolExecutor(n)


def _run(stated: Sweep, executor: Executor, out: Path, *, restart: bool) -> SweepResult:
    from edgedescent.console.terminal import Progress
    from edgedescent_sims.sweep.sweep import run_sweep

    n_done = 0

    def report(done: int, total: int) -> None:
        nonlocal n_done
        n_done = done
        bar.update(done, total)

    try:
        with Progress("sweep", "runs") as bar:
            return run_sweep(
                stated,
                out,
                executor=executor,
                restart=restart,
                on_progress=report,
                notify=lambda text: click.echo(text, err=True),
            )
    except KeyboardInterrupt:
        click.echo(f"Interrupted: {n_done:,} runs are done and kept. Run the same command to go on.", err=True)
        raise click.exceptions.Exit(_INTERRUPTED) from None


def _print_plan(stated: Sweep, *, as_json: bool) -> None:
    n_configurations = stated.n_runs // stated.n_blocks
    if as_json:
        import msgspec

        plan = {
            "runs": stated.n_runs,
            "configurations": n_configurations,
            "scenarios": list(stated.scenarios),
            "seeds": stated.seeds,
        }
        click.echo(msgspec.json.encode(plan))
        return
    click.echo(
        f"{stated.n_runs:,} runs: {n_configurations:,} configurations, the defaults among them, on "
        f"{len(stated.scenarios)} scenarios with {stated.seeds} seeds."
    )
