"""Sparklines: a curve as a word of block characters for the terminal, or as a small inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

_BLOCKS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT = 120, 24


def _shares(values: Sequence[float | None], width: int) -> list[float | None]:
    """Means of at most `width` equal shares of the values, scaled to 0 to 1; None where there are no values."""
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)] if width else []
    finite = [value if value is not None and math.isfinite(value) else None for value in values]
    # Sums and differences of the largest numbers overflow. A power of two changes no bits of the others.
    _, exponent = math.frexp(max((abs(value) for value in finite if value is not None), default=0.0))
    shares = [[math.ldexp(v, -exponent) for v in finite[a:b] if v is not None] for a, b in pairwise(edges)]
    means = [sum(share) / len(share) if share else None for share in shares]
    known = [mean for mean in means if mean is not None]
    if not known:
        return [None] * len(means)
    low, span = min(known), max(known) - min(known)
    return [None if mean is None else (mean - low) / span if span > 0 else 0.0 for mean in means]


def sparkline(values: Sequence[float | None], width: int = 24) -> str:
    """Sparkline in Unicode block characters: the lowest value is the lowest block, a missing value a space.

    Args:
        values: The curve; None or not finite where it has no value.
        width: Largest number of characters; longer curves are averaged.

    Example:
        >>> sparkline([4.0, 3.0, None, 1.0, 2.5])
        '█▆ ▁▅'
        >>> sparkline([])
        ''
    """
    last = len(_BLOCKS) - 1
    return "".join(" " if share is None else _BLOCKS[round(share * last)] for share in _shares(values, width))


def sparkline_svg(values: Sequence[float | None], marks: Sequence[float] = (), label: str = "") -> str:
    """Sparkline as an inline SVG in the colour of the text.

    Args:
        values: The curve; None or not finite where it has no value.
        marks: Places of vertical ticks, as shares of the width from 0 to 1.
        label: Alternative text in place of the picture.

    Example:
        >>> sparkline_svg([1.0, 0.0])[:36]
        '<svg class="spark" viewBox="0 0 120 '
    """
    shares = _shares(values, _WIDTH)
    step = (_WIDTH - 2) / max(len(shares) - 1, 1)
    path, pen_up = [], True
    for i, share in enumerate(shares):
        if share is None:
            pen_up = True
            continue
        path.append(f"{'M' if pen_up else 'L'}{1 + i * step:.4g} {2 + (1 - share) * (_HEIGHT - 4):.3g}")
        pen_up = False
    ticks = "".join(f"M{1 + mark * (_WIDTH - 2):.4g} 0V{_HEIGHT}" for mark in marks if 0 <= mark <= 1)
    described = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" {described}>'
        + (f'<path class="tick" d="{ticks}"/>' if ticks else "")
        + f'<path d="{"".join(path)}"/></svg>'
    )
