"""Changes of scale and regime: the error of each learner after one beside that of a learner that begins there."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import numpy as np
from harness import command_line, environment
from numpy.typing import NDArray

from edgedescent import AutoRegressor, LinearRegressor, MLPRegressor

Array = NDArray[np.float64]
Stream = tuple[Array, Array]
"""Features of shape (n_events, n_features), and targets."""

N_FEATURES = 6
MEANS = np.array([20.0, 0.0, -3.0, 1000.0, 0.5, 0.0])
SCALES = np.array([8.0, 1.0, 0.1, 150.0, 0.2, 40.0])
WEIGHTS = np.array([1.0, -0.8, 0.6, 0.5, -0.4, 0.3])
NOISE = 0.1
AFTER = 600
"""Number of events after the change."""
SCALE_BAR, REGIME_BAR, SPIKE_BAR = 1.5, 1.2, 0.05
SPIKED = 100
"""Number of events after a spike whose predictions are compared."""
SPIKE = 1000.0
"""Size of a spike, in standard deviations."""

LEARNERS: dict[str, Callable[[], Any]] = {
    "LinearRegressor": LinearRegressor,
    "MLPRegressor": MLPRegressor,
    "AutoRegressor": AutoRegressor,
}


def plain(random: np.random.Generator, n: int, weights: Array = WEIGHTS) -> Stream:
    """Features of several means and scales, and a target that is linear in them, with noise."""
    z = random.normal(size=(n, N_FEATURES))
    return MEANS + SCALES * z, 5.0 + 2.0 * (z @ weights + NOISE * random.normal(size=n))


def scaled_features(random: np.random.Generator, before: int, factor: float, columns: slice) -> Stream:
    """The features are given in another unit from one event on; the target stays as it is."""
    x, y = plain(random, before + AFTER)
    x[before:, columns] *= factor
    return x, y


def scaled_target(random: np.random.Generator, before: int, factor: float) -> Stream:
    """The target is given in another unit."""
    x, y = plain(random, before + AFTER)
    y[before:] *= factor
    return x, y


def scaled_world(random: np.random.Generator, before: int, factor: float) -> Stream:
    """All features and the target change in proportion: what is measured grows or shrinks, the units stay."""
    x, y = plain(random, before + AFTER)
    x[before:] *= factor
    y[before:] *= factor
    return x, y


def kelvin(random: np.random.Generator, before: int, target: bool) -> Stream:
    """A temperature, or the target, is given in K in place of °C."""
    x, y = plain(random, before + AFTER)
    if target:
        y[before:] += 273.15
    else:
        x[before:, 0] += 273.15
    return x, y


def resting(random: np.random.Generator, before: int, jitter: float) -> Stream:
    """A sensor rests, then begins to report 0 to 100, which counts for most of the target."""
    x, y = plain(random, before + AFTER)
    x[:, 0] = jitter * random.normal(size=len(x))
    x[before:, 0] = random.uniform(0.0, 100.0, size=AFTER)
    return x, y + 0.1 * x[:, 0]


def flipped(random: np.random.Generator, before: int) -> Stream:
    """Two weights change their sign."""
    x, y = plain(random, before + AFTER)
    x[before:], y[before:] = plain(random, AFTER, WEIGHTS * np.array([-1.0, -1.0, 1.0, 1.0, 1.0, 1.0]))
    return x, y


def grown(random: np.random.Generator, before: int) -> Stream:
    """One weight becomes ten times as large."""
    x, y = plain(random, before + AFTER)
    x[before:], y[before:] = plain(random, AFTER, WEIGHTS * np.array([10.0, 1.0, 1.0, 1.0, 1.0, 1.0]))
    return x, y


def spike_feature(x: Array, _y: Array, at: int) -> None:
    """Put one value far outside of the others."""
    x[at, 1] = MEANS[1] + SPIKE * SCALES[1]


def spike_label(_x: Array, y: Array, at: int) -> None:
    """Put one label far outside of the others."""
    y[at] += SPIKE * float(np.std(y))


@dataclass(frozen=True)
class Scenario:
    """A change in a stream, and what a learner must reach after it.

    Args:
        make: returns a stream, given a generator and the number of events before the change.
        bar: error at most, in that of a learner that begins at the change.
        first: number of events after the change from which on errors count.
        last: number of events after the change up to which they count.
    """

    make: Callable[[np.random.Generator, int], Stream]
    bar: float
    first: int
    last: int


def scenarios() -> dict[str, Scenario]:
    """Every change, by name."""
    scale = partial(Scenario, bar=SCALE_BAR, first=100, last=300)
    regime = partial(Scenario, bar=REGIME_BAR, first=100, last=500)
    found: dict[str, Scenario] = {}
    for factor in (1000.0, 100.0, 10.0, 0.1, 0.01, 0.001):
        text = f"x {factor:g}"
        found[f"one feature {text}"] = scale(partial(scaled_features, factor=factor, columns=slice(1, 2)))
        found[f"all features {text}"] = scale(partial(scaled_features, factor=factor, columns=slice(None)))
        found[f"target {text}"] = scale(partial(scaled_target, factor=factor))
        found[f"features and target {text}"] = scale(partial(scaled_world, factor=factor))
    found["feature °C to K"] = scale(partial(kelvin, target=False))
    found["target °C to K"] = scale(partial(kelvin, target=True))
    for jitter in (1.0, 0.01, 0.0001):
        found[f"resting sensor, jitter {jitter:g}"] = scale(partial(resting, jitter=jitter))
    found["two signs flip"] = regime(flipped)
    found["one weight x 10"] = regime(grown)
    return found


SPIKES: dict[str, Callable[[Array, Array, int], None]] = {
    "spike in a feature": spike_feature,
    "spike in the label": spike_label,
}


def errors(start: Callable[[], Any], x: Array, y: Array) -> Array:
    """Absolute errors of a learner that begins with the first event."""
    return np.abs(start().learn_many(x, y) - y)


def shift_ratio(start: Callable[[], Any], scenario: Scenario, before: int, seed: int) -> float:
    """Mean absolute error after the change, over that of a learner that begins at it."""
    x, y = scenario.make(np.random.default_rng(seed), before)
    counted = slice(scenario.first, scenario.last)
    x, y = x[: before + scenario.last], y[: before + scenario.last]
    long, fresh = errors(start, x, y)[before:], errors(start, x[before:], y[before:])
    return float(long[counted].mean() / fresh[counted].mean())


def spike_change(start: Callable[[], Any], spike: Callable[[Array, Array, int], None], before: int, seed: int) -> float:
    """Mean absolute change of the predictions after a spike, in standard deviations of the target."""
    x, y = plain(np.random.default_rng(seed), before + SPIKED)
    clean = start().learn_many(x, y)
    deviation = float(np.std(y))
    spike(x, y, before - 1)
    return float(np.abs(start().learn_many(x, y) - clean)[before:].mean() / deviation)


@dataclass(frozen=True)
class Row:
    """Measurement of one learner in one scenario."""

    scenario: str
    learner: str
    value: float
    bar: float

    @property
    def passed(self) -> bool:
        """True if the bar is met."""
        return self.value <= self.bar


def measure(before: int, runs: int, only: str, learner: str) -> list[Row]:
    """Measure every learner in every scenario; each value is the median over so many seeds."""
    rows = []
    tasks: list[tuple[str, float, Callable[..., float], Any]] = [
        *((name, scenario.bar, shift_ratio, scenario) for name, scenario in scenarios().items()),
        *((name, SPIKE_BAR, spike_change, spike) for name, spike in SPIKES.items()),
    ]
    for name, bar, task, what in tasks:
        if only.lower() not in name.lower():
            continue
        for kind, start in LEARNERS.items():
            if learner.lower() not in kind.lower():
                continue
            value = statistics.median(task(start, what, before, seed) for seed in range(runs))
            rows.append(Row(name, kind, value, bar))
    return rows


def table(rows: list[Row]) -> str:
    """Lay out the rows, one line for each scenario."""
    kinds = list(dict.fromkeys(row.learner for row in rows))
    lines = ["  ".join([f"{'':32}", *(f"{kind:>20}" for kind in kinds), "   bar"])]
    for name in dict.fromkeys(row.scenario for row in rows):
        here = [row for row in rows if row.scenario == name]
        cells = [f"{row.value:14.3f} {'pass' if row.passed else 'FAIL':>5}" for row in here]
        lines.append("  ".join([f"{name:32}", *cells, f"{here[0].bar:6g}"]))
    return "\n".join(lines)


@click.command(epilog="Example: python bench/shifts.py --only target --learner linear")
@click.option("--events", type=click.IntRange(min=500), default=5000, show_default=True, help="Before the change.")
@click.option("--runs", type=click.IntRange(min=1), default=5, show_default=True, help="Number of seeds.")
@click.option("--only", default="", help="Only the scenarios whose name holds this text.")
@click.option("--learner", default="", help="Only the learners whose name holds this text.")
@click.option("--quick", is_flag=True, help="One seed and 1,000 events before the change: a smoke test.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of the table.")
def main(events: int, runs: int, only: str, learner: str, quick: bool, json_: bool) -> None:
    """Change scales, regimes and single values of a stream, and compare each learner with one that begins there.

    The value of a change is the mean absolute error 100 to 300 events after it (100 to 500 where the regime changes),
    over that of a fresh learner on the same events; that of a spike is the mean change of the following 100
    predictions, in standard deviations of the target. Medians over the seeds.

    Exits with 1 if a bar is missed.
    """
    events, runs = (1000, 1) if quick else (events, runs)
    rows = measure(events, runs, only, learner)
    if not rows:
        raise click.ClickException(f"Nothing holds {only!r} and {learner!r}.")
    passed = all(row.passed for row in rows)
    ran_on = environment(("edgedescent", "numpy"))
    if json_:
        shown = [{**vars(row), "passed": row.passed} for row in rows]
        click.echo(json.dumps({"passed": passed, "ran_on": ran_on, "again": command_line(), "rows": shown}))
    else:
        click.echo(table(rows))
        click.echo(f"median of {runs}; again: {command_line()}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
