"""Speed of a simulation: a CSV file through drift, faults, a learner and scores, beside River's own evaluation."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from harness import command_line, environment

from edgedescent import LinearRegressor
from edgedescent.evaluation import resident_bytes
from edgedescent.optim import Adam
from edgedescent_sims.drift import WeightChange
from edgedescent_sims.faults import MissingValues, Spikes
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.run import run_candidate
from edgedescent_sims.sources import CsvSource, Source

FEATURES = 10
RATIO_MIN = 25.0
"""Events a second, as a multiple of River's."""
GROWTH_MIB_MAX = 4.0
"""Most memory that ten times the events may cost."""


@dataclass(frozen=True)
class Speed:
    """Events a second of both, in one round."""

    ours: float
    river: float


def write_csv(path: Path, n_events: int) -> None:
    """Write a linear function of normal features as a CSV file."""
    rng = np.random.default_rng(1)
    weights = np.arange(1.0, FEATURES + 1.0)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*(f"x{j}" for j in range(FEATURES)), "y"]) + "\n")
        for start in range(0, n_events, 50_000):
            x = rng.normal(size=(min(50_000, n_events - start), FEATURES))
            y = x @ weights + rng.normal(size=len(x))
            np.savetxt(file, np.column_stack([x, y]), delimiter=",", fmt="%.6f")


def stream(path: Path, n_events: int) -> Source:
    """The file with a drift after a tenth, gaps and spikes."""
    drifting = WeightChange(CsvSource(path=str(path), target="y"), columns=("x0",), deltas=(5.0,), at=n_events // 10)
    return Spikes(MissingValues(drifting, rate=0.01, columns=("x1",), seed=2), rate=0.001, columns=("x2",), seed=3)


def simulate(path: Path, n_events: int) -> None:
    """Run a linear learner with all scores, the recovery from the drift included."""
    scenario = Scenario(stream=stream(path, n_events), candidates={"linear": LinearRegressor(optimizer=Adam(lr=0.01))})
    run_candidate(scenario, "linear")


def river(n_events: int) -> None:
    """Let River evaluate its linear learner on its own stream with a drift."""
    from river import evaluate, linear_model, metrics, optim, preprocessing
    from river.datasets import synth

    data = synth.FriedmanDrift(drift_type="gra", position=(n_events // 3, n_events // 2), seed=1).take(n_events)
    model = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.Adam(0.01))
    evaluate.progressive_val_score(data, model, metrics.MAE() + metrics.RMSE() + metrics.R2())


def rate(run: Callable[[], None], n_events: int) -> float:
    """Events a second of a run."""
    started = time.perf_counter()
    run()
    return n_events / (time.perf_counter() - started)


def memory_growth_mib(folder: Path, n_events: int) -> float:
    """Resident memory that a run over a file takes beyond that over a file of a tenth of its length."""
    short = folder / "short.csv"
    write_csv(short, n_events // 10)
    simulate(short, n_events // 10)
    before = resident_bytes()
    simulate(folder / "events.csv", n_events)
    return (resident_bytes() - before) / 2**20


@click.command(epilog="Example: python bench/simulate.py --runs 5")
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Rounds, each of both.")
@click.option("--events", type=click.IntRange(20_000), default=1_000_000, show_default=True, help="Events of ours.")
@click.option("--quick", is_flag=True, help="A smoke test: one round of few events.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(runs: int, events: int, quick: bool, json_: bool) -> None:
    """Simulate a CSV file of 10 features at memory speed, and let River evaluate the same kind of learner.

    Takes a minute. Exits with 1 if ours is less than 25 times as fast, or its memory grows with the stream.
    """
    runs, events = (1, 20_000) if quick else (runs, events)
    # River's events cost some hundred times as much.
    river_events = max(events // 50, 5_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "events.csv"
        write_csv(path, events)
        growth = memory_growth_mib(folder, events)
        speeds = [
            Speed(rate(lambda: simulate(path, events), events), rate(lambda: river(river_events), river_events))
            for _ in range(runs)
        ]
    ratio = statistics.median(speed.ours / speed.river for speed in speeds)
    passed = ratio >= RATIO_MIN and growth <= GROWTH_MIB_MAX
    ours, theirs = (statistics.median(getattr(speed, which) for speed in speeds) for which in ("ours", "river"))
    ran_on = environment(("edgedescent", "numpy", "river"))
    if json_:
        figures = {"events_per_s": ours, "river_events_per_s": theirs, "ratio": ratio, "memory_growth_mib": growth}
        click.echo(json.dumps({"passed": passed, "ran_on": ran_on, "again": command_line(), **figures}))
    else:
        click.echo(f"EdgeDescent, CSV, drift, faults, scores and twins  {ours:12,.0f} events/s  ({events:,} events)")
        click.echo(
            f"River, progressive_val_score on FriedmanDrift       {theirs:12,.0f} events/s  ({river_events:,} events)"
        )
        click.echo(f"ratio {ratio:.1f}, at least {RATIO_MIN:g}; median of {runs}")
        click.echo(f"memory beyond a stream of a tenth: {growth:+.1f} MiB, at most {GROWTH_MIB_MAX:g}")
        click.echo(", ".join(f"{key} {value}" for key, value in ran_on.items()))
        click.echo(f"again: {command_line()}")
        click.echo("pass" if passed else "FAIL")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
