"""Curves of errors over time as small SVG files, drawn without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

# Apart for the colour-blind (Okabe and Ito 2008).
COLOURS = ("#0072B2", "#56B4E9", "#999999", "#E69F00", "#D55E00", "#CC79A7", "#009E73", "#F0E442", "#000000")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 790, 320, 60, 30, 30, 300


def write_curves(path: Path, title: str, n_events: int, curves: Mapping[str, Sequence[float | None]]) -> None:
    """Draw one line for each learner; the first is drawn last, and thicker.

    Args:
        path: of the file.
        title: of the drawing.
        n_events: how many events the curves cover.
        curves: by learner the mean absolute error of each part of the stream, in equal parts; None
            where it was not finite.
    """
    right, floor = WIDTH - LEGEND, HEIGHT - BOTTOM
    seen = sorted(value for curve in curves.values() for value in curve if value is not None and math.isfinite(value))
    # One learner that diverges must not flatten all the others: it runs along the upper edge.
    top = seen[int(0.85 * (len(seen) - 1))] * 1.05 or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" style="font: 12px sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" style="font-size: 14px">{title}: mean absolute error, lower is better</text>',
    ]
    for tick in range(5):
        y = floor - (floor - TOP) * tick / 4
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{_shown(top * tick / 4)}</text>')
    for label, place in (("0", LEFT), (f"{n_events // 2:,}", (LEFT + right) // 2), (f"{n_events:,} events", right)):
        parts.append(f'<text x="{place}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>')
    for i, (name, curve) in reversed(list(enumerate(curves.items()))):
        colour, width = COLOURS[i % len(COLOURS)], 3 if i == 0 else 1.3
        points = " ".join(
            f"{LEFT + (right - LEFT) * (place + 0.5) / len(curve):.0f},"
            f"{max(floor - (floor - TOP) * value / top, TOP):.0f}"
            for place, value in enumerate(curve)
            if value is not None and math.isfinite(value)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        y = TOP + 10 + 22 * i
        parts.append(
            f'<line x1="{right + 12}" x2="{right + 32}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="{width}"/>'
            f'<text x="{right + 38}" y="{y + 4}">{name}</text>'
        )
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
