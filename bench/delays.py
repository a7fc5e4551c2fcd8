"""Late and missing labels: errors of AutoRegressor that is told of them, over those of one that is not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from bars import geometric_mean
from harness import columns, print_rows
from recordings import readable
from trials import events_of, without_previous

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import BUDGETS

DELAYS = (1, 6, 24)
MISSING, SEED = 0.3, 3
FIRST = 50
"""Events of which the first few say nothing, because hardly a label is there."""
CASES = (*(f"{delay} late" for delay in DELAYS), f"{MISSING:.0%} missing")


@dataclass(frozen=True)
class Row:
    """Errors on a stream, by case."""

    stream: str
    events: int
    mae: dict[str, float]
    """Of a learner that is told."""
    untold: dict[str, float]
    last_value: dict[str, float]
    """Of the last known label."""


def late(events: Sequence[Any], budget: Any, behind: int, label_delay: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Predict each event when `behind` labels before it are not there yet; return the predictions."""
    model, predictions = AutoRegressor(budget=budget, label_delay=label_delay), []
    for t, (x, _) in enumerate(events):
        if t > behind:
            model.learn_one(*events[t - behind - 1])
        predictions.append(model.predict_one(x))
    return np.array(predictions)


def missing(events: Sequence[Any], budget: Any, told: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Predict each event, where some labels never come; return the predictions."""
    model, predictions = AutoRegressor(budget=budget), []
    dice = random.Random(SEED)  # noqa: S311 - a repeatable stream, not a secret
    for x, y in events:
        predictions.append(model.predict_one(x))
        if dice.random() >= MISSING:
            model.learn_one(x, y)
        elif told:
            model.skip_one(x)
    return np.array(predictions)


def last_known(y: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Errors of the last known label, by case."""
    found = {f"{delay} late": float(np.abs(y[FIRST:] - y[FIRST - 1 - delay : -1 - delay]).mean()) for delay in DELAYS}
    dice = random.Random(SEED)  # noqa: S311 - as above
    known, errors = float(y[0]), []
    for label in y:
        errors.append(abs(label - known))
        known = label if dice.random() >= MISSING else known
    return {**found, CASES[-1]: float(np.mean(errors[FIRST:]))}


def run(stream: str, budget: str, data: Path | None, n_events: int) -> Row:
    """Measure all cases on a stream."""
    events = without_previous(events_of(stream, data, n_events)[0])
    y = np.array([y for _, y in events], dtype=np.float64)
    mae, untold = dict[str, float](), dict[str, float]()
    for delay in DELAYS:
        for found, label_delay in ((mae, delay), (untold, 0)):
            found[f"{delay} late"] = float(np.abs(late(events, budget, delay, label_delay) - y)[FIRST:].mean())
    for found, told in ((mae, True), (untold, False)):
        found[CASES[-1]] = float(np.abs(missing(events, budget, told) - y)[FIRST:].mean())
    return Row(stream, len(y), mae, untold, last_known(y))


def as_table(rows: Sequence[Row]) -> str:
    """Lay out the ratios to the errors of a learner that is not told, and those to the last known label."""
    ratios = {case: [row.mae[case] / row.untold[case] for row in rows] for case in CASES}
    over_last = {case: [row.mae[case] / row.last_value[case] for row in rows] for case in CASES}
    lines = [("stream", *CASES)]
    lines += [(row.stream, *(f"{ratios[case][i]:.2f}" for case in CASES)) for i, row in enumerate(rows)]
    lines.append(("geometric mean", *(f"{geometric_mean(ratios[case]):.2f}" for case in CASES)))
    lines.append(("over the last known label", *(f"{geometric_mean(over_last[case]):.2f}" for case in CASES)))
    lines.append(("worst", *(f"{max(over_last[case]):.2f}" for case in CASES)))
    return columns(lines, text=range(1))


@click.command(epilog="Example: python bench/delays.py --data recordings --budget small --only taxi")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--budget", type=click.Choice(list(BUDGETS)), default="default", show_default=True, help="Members.")
@click.option("--events", type=click.IntRange(min=100), default=4000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams whose name holds this text.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(data: Path | None, budget: str, events: int, only: str, json_: bool) -> None:
    """Compare `AutoRegressor` that knows of late and missing labels with one that does not. Takes ten minutes."""
    rows = [run(one.name, budget, data, events) for one in readable(data, only)]
    print_rows(rows, as_table(rows), ("edgedescent", "numpy", "river"), json_=json_)


if __name__ == "__main__":
    main()
