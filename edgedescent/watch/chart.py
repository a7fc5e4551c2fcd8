"""Chart of predictions beside the truth, of characters."""

from __future__ import annotations

from collections.abc import Sequence

BOTH, TRUTH, PREDICTION = "●", "○", "+"
LEGEND = f"{PREDICTION} prediction  {TRUTH} truth  {BOTH} both"


def chart(answers: Sequence[tuple[float, float | None]], width: int, height: int) -> list[str]:
    r"""Lines of a chart: a column for each of the newest answers, the newest at the right.

    Args:
        answers: Prediction and truth of each, oldest first; None for a truth that is not known.
        width: Number of columns, the scale at the left included.
        height: Number of lines.

    Example:
        >>> print("\n".join(chart([(1.0, 1.0), (1.0, 2.0), (3.0, None)], width=12, height=3)))
        3 ┤  +
          │ ○
        1 ┤●+
    """
    values = [value for pair in answers for value in pair if value is not None]
    left = max((len(f"{value:.4g}") for value in values), default=0)
    room = width - left - 2
    if not values or height < 2 or room < 1:
        return []
    shown = answers[-room:]
    values = [value for pair in shown for value in pair if value is not None]
    low, high = min(values), max(values)
    rows = [[" "] * len(shown) for _ in range(height)]
    for column, (prediction, truth) in enumerate(shown):
        at = _line(prediction, low, high, height)
        rows[at][column] = PREDICTION
        if truth is not None:
            line = _line(truth, low, high, height)
            rows[line][column] = BOTH if line == at else TRUTH
    scale = {height - 1: f"{low:.4g}", 0: f"{high:.4g}"}
    return [
        f"{scale.get(i, ''):>{left}} {'┤' if i in scale else '│'}{''.join(row).rstrip()}" for i, row in enumerate(rows)
    ]


def _line(value: float, low: float, high: float, height: int) -> int:
    # Halved, because the span of two finite numbers may be infinite.
    span = high / 2 - low / 2
    share = (value / 2 - low / 2) / span if span else 0.5
    return height - 1 - round(share * (height - 1))
