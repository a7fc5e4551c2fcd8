"""Losses of AutoRegressor: errors of the mean and of quantiles over those of what the absolute loss gives."""

from __future__ import annotations

from collections import deque
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
from edgedescent.losses import AbsoluteLoss, Loss, QuantileLoss, SquaredLoss

QUANTILES = (0.1, 0.9)
WINDOW, KNOWN_AFTER = 500, 10
"""Number of the latest errors whose quantile is added to the median, the baseline, and the least number of them."""
FIRST = 100
"""Events that do not count."""

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Row:
    """Scores on a stream."""

    stream: str
    events: int
    rmse: float
    """Root mean square error with the squared loss, over that with the absolute one."""
    quantile_loss: dict[str, float]
    """Quantile loss over that of the baseline, by quantile."""
    share_below: dict[str, float]
    """Share of the labels that are not above the prediction."""
    share_below_baseline: dict[str, float]


def predictions(events: Sequence[Any], budget: Any, loss: Loss) -> Numbers:
    """Predict and learn each event."""
    model = AutoRegressor(budget=budget, loss=loss)
    return np.array([model.predict_learn_one(x, y) for x, y in events])


def baseline(y: Numbers, median: Numbers, q: float) -> Numbers:
    """Add the quantile of the latest errors to the median."""
    errors: deque[float] = deque(maxlen=WINDOW)
    found = []
    for label, prediction in zip(y.tolist(), median.tolist(), strict=True):
        found.append(prediction + (float(np.quantile(errors, q)) if len(errors) > KNOWN_AFTER else 0.0))
        errors.append(label - prediction)
    return np.array(found)


def quantile_loss(y: Numbers, prediction: Numbers, q: float) -> float:
    """Mean quantile loss."""
    error = (y - prediction)[FIRST:]
    return float(np.where(error >= 0, q * error, (q - 1) * error).mean())


def rmse(y: Numbers, prediction: Numbers) -> float:
    """Root mean square error."""
    return float(np.sqrt(((y - prediction)[FIRST:] ** 2).mean()))


def run(stream: str, budget: str, data: Path | None, n_events: int) -> Row:
    """Measure all losses on a stream."""
    events = without_previous(events_of(stream, data, n_events)[0])
    y = np.array([y for _, y in events], dtype=np.float64)
    median = predictions(events, budget, AbsoluteLoss())
    ratio = rmse(y, predictions(events, budget, SquaredLoss())) / rmse(y, median)
    losses, below, below_baseline = dict[str, float](), dict[str, float](), dict[str, float]()
    for q in QUANTILES:
        own, other = predictions(events, budget, QuantileLoss(q=q)), baseline(y, median, q)
        losses[f"{q:g}"] = quantile_loss(y, own, q) / quantile_loss(y, other, q)
        below[f"{q:g}"], below_baseline[f"{q:g}"] = (float((y <= one)[FIRST:].mean()) for one in (own, other))
    return Row(stream, len(y), ratio, losses, below, below_baseline)


def as_table(rows: Sequence[Row]) -> str:
    """Lay out the scores, with geometric means of the ratios."""
    names = [f"{q:g}" for q in QUANTILES]
    lines = [("stream", "RMSE", *(text for q in names for text in (f"loss {q}", f"below {q}")))]
    for row in rows:
        scores = (row.quantile_loss, row.share_below)
        lines.append((row.stream, f"{row.rmse:.3f}", *(f"{score[q]:.3f}" for q in names for score in scores)))
    means = [(f"{geometric_mean([row.quantile_loss[q] for row in rows]):.3f}", "") for q in names]
    mean = geometric_mean([row.rmse for row in rows])
    lines.append(("geometric mean", f"{mean:.3f}", *(text for pair in means for text in pair)))
    return columns(lines, text=range(1))


@click.command(epilog="Example: python bench/losses.py --data recordings --budget tiny --only bike")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of recordings; bench/README.md says what is looked for in it, and where it comes from.",
)
@click.option("--budget", type=click.Choice(list(BUDGETS)), default="default", show_default=True, help="Members.")
@click.option("--events", type=click.IntRange(min=200), default=4000, show_default=True, help="Of each stream.")
@click.option("--only", default="", help="Only the streams whose name holds this text.")
@click.option("--json", "json_", is_flag=True, help="One line of JSON instead of a table.")
def main(data: Path | None, budget: str, events: int, only: str, json_: bool) -> None:
    """Compare the losses of `AutoRegressor`. Takes ten minutes.

    The baseline of a quantile is the prediction with the absolute loss and that quantile of the latest 500 errors.
    """
    rows = [run(one.name, budget, data, events) for one in readable(data, only)]
    print_rows(rows, as_table(rows), ("edgedescent", "numpy", "river"), json_=json_)


if __name__ == "__main__":
    main()
