"""Error curve of a scenario as a standalone SVG, for papers and web pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from edgedescent_sims.report.figures import figure
from edgedescent_sims.result import Curve, SimulationResult

PALETTE = ("#005e9e", "#e47219", "#36955b", "#ae839f", "#774d00", "#4e5662", "#6394ce", "#6d2d26")
"""Colours that readers with a colour deficiency tell apart; the light theme of the report has the same."""
_DRIFT, _FAULT, _TEXT, _GRID = "#5b3fb0", "#7d5a00", "#333", "#e3e6ea"
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 340, 62, 24, 60, 46
_LEGEND_ROW, _CHARACTER = 17, 6.6
_LOG_FROM = 30.0
"""Ratio of the largest error to the median from which the axis is logarithmic."""


def curve_svg(result: SimulationResult) -> str:
    """Draw the windowed error of all candidates over the events, with drifts, faults and alarms.

    The same result gives the same text to the last byte. The axis is logarithmic where the largest error is more than
    30 times the median.

    Args:
        result: The result to draw.

    Returns:
        An SVG document.
    """
    legend = list(_legend(result))
    plot = _Plot(result, shift=max(0, max((y for _, _, y in legend), default=0) - _LEGEND_ROW))
    height = _HEIGHT + plot.shift
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f"<title>{_text(f'Error of {result.name}')}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        *plot.marks(),
        *plot.axes(),
        *plot.curves(),
        *plot.alarms(),
    ]
    for index, x, y in legend:
        candidate = result.candidates[index]
        lines.append(
            f'<path d="M{x} {y}h22" {_stroke(index, is_peer=candidate.is_peer)}/>'
            f'<text x="{x + 28}" y="{y + 4}" fill="{_TEXT}">{_text(candidate.name)}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _legend(result: SimulationResult) -> Iterator[tuple[int, int, int]]:
    """Index of each candidate and the place of its entry, in rows from the left."""
    x, y = _LEFT, 16
    for index, candidate in enumerate(result.candidates):
        width = 28 + round(_CHARACTER * len(candidate.name)) + 18
        if x > _LEFT and x + width > _WIDTH - _RIGHT:
            x, y = _LEFT, y + _LEGEND_ROW
        yield index, x, y
        x += width


class _Plot:
    """The area inside the axes: places of events and errors, and what is drawn there."""

    def __init__(self, result: SimulationResult, shift: int) -> None:
        self.result = result
        self.shift = shift
        values = sorted(v for c in result.candidates for v in c.curve.value if v is not None and math.isfinite(v))
        low, high = (values[0], values[-1]) if values else (0.0, 1.0)
        self.is_log = bool(values) and low > 0 and high > _LOG_FROM * values[len(values) // 2]
        if self.is_log:
            self.ticks_y = [10.0**k for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
            self.low, self.high = self.ticks_y[0], self.ticks_y[-1]
        else:
            self.ticks_y = _ticks(0.0 if 0 <= low < 0.6 * high else low, high)
            self.low, self.high = self.ticks_y[0], max(self.ticks_y[-1], high)
        self.events = max([result.n_events, *(n for c in result.candidates for n in c.curve.number[-1:])], default=1)
        self.ticks_x = [tick for tick in _ticks(0.0, float(self.events)) if tick <= self.events]
        self.top, self.bottom = _TOP + shift, _HEIGHT + shift - _BOTTOM

    def x(self, number: float) -> str:
        """Place of an event."""
        return f"{_LEFT + (_WIDTH - _LEFT - _RIGHT) * number / max(self.events, 1):.1f}"

    def y(self, value: float) -> str:
        """Place of an error."""
        if self.is_log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return f"{self.bottom - (self.bottom - self.top) * share:.1f}"

    def axes(self) -> Iterator[str]:
        """Grid, ticks and names of the axes."""
        right = _WIDTH - _RIGHT
        for tick in self.ticks_y:
            y = self.y(tick)
            yield f'<path d="M{_LEFT} {y}H{right}" stroke="{_GRID}"/>'
            yield f'<text x="{_LEFT - 7}" y="{float(y) + 4:.1f}" text-anchor="end" fill="{_TEXT}">{_tick(tick)}</text>'
        for tick in self.ticks_x:
            x = self.x(tick)
            yield f'<path d="M{x} {self.bottom}v4" stroke="{_TEXT}"/>'
            yield f'<text x="{x}" y="{self.bottom + 17}" text-anchor="middle" fill="{_TEXT}">{tick:,.0f}</text>'
        yield f'<path d="M{_LEFT} {self.top}V{self.bottom}H{right}" fill="none" stroke="{_TEXT}"/>'
        middle = (_LEFT + right) / 2
        yield f'<text x="{middle}" y="{self.bottom + 36}" text-anchor="middle" fill="{_TEXT}">event</text>'
        name = f"error, mean of {self.result.window:,} events"
        centre = (self.top + self.bottom) / 2
        yield (
            f'<text x="14" y="{centre}" text-anchor="middle" fill="{_TEXT}" transform="rotate(-90 14 {centre})">'
            f"{name}</text>"
        )

    def marks(self) -> Iterator[str]:
        """Lines and labels of drifts and faults, in two rows above the plot."""
        free = {"drift": 0.0, "fault": 0.0}
        for mark in sorted(self.result.marks, key=lambda mark: mark.start):
            if mark.start > self.events:
                continue
            color, x = (_DRIFT if mark.kind == "drift" else _FAULT), float(self.x(mark.start))
            if mark.end > mark.start:
                width = float(self.x(min(mark.end, self.events))) - x
                size = f'width="{width:.1f}" height="{self.bottom - self.top}"'
                yield f'<rect x="{x}" y="{self.top}" {size} fill="{color}" fill-opacity="0.12"/>'
            dash = "" if mark.kind == "drift" else ' stroke-dasharray="2 3"'
            yield f'<path d="M{x} {self.top}V{self.bottom}" stroke="{color}"{dash}/>'
            if x < free[mark.kind]:
                continue
            is_late = x + _CHARACTER * len(mark.label) > _WIDTH
            anchor = ' text-anchor="end"' if is_late else ""
            free[mark.kind] = x + _CHARACTER * len(mark.label) + 6
            y = self.top - (6 if mark.kind == "drift" else 21)
            yield f'<text x="{x}" y="{y}" fill="{color}" font-size="11"{anchor}>{_text(mark.label)}</text>'

    def curves(self) -> Iterator[str]:
        """The curve of each candidate, peers first so that the others lie above."""
        order = sorted(range(len(self.result.candidates)), key=lambda i: not self.result.candidates[i].is_peer)
        for index in order:
            candidate = self.result.candidates[index]
            path = self._path(candidate.curve)
            yield f'<path d="{path}" {_stroke(index, is_peer=candidate.is_peer)}/>'

    def _path(self, curve: Curve) -> str:
        parts, pen_up = [], True
        for number, value in zip(curve.number, curve.value, strict=True):
            if value is None or not math.isfinite(value) or (self.is_log and value <= 0):
                pen_up = True
                continue
            parts.append(f"{'M' if pen_up else 'L'}{self.x(number)} {self.y(value)}")
            pen_up = False
        return "".join(parts)

    def alarms(self) -> Iterator[str]:
        """A triangle on the axis for each alarm of a drift detector."""
        for index, candidate in enumerate(self.result.candidates):
            for number in candidate.alarms:
                color = PALETTE[index % len(PALETTE)]
                yield f'<path d="M{self.x(number)} {self.bottom - 9}l4 9h-8z" fill="{color}" stroke="#fff"/>'


def _stroke(index: int, *, is_peer: bool) -> str:
    color = PALETTE[index % len(PALETTE)]
    line = f'fill="none" stroke="{color}" stroke-linejoin="round"'
    return f'{line} stroke-width="1.2" stroke-dasharray="5 3"' if is_peer else f'{line} stroke-width="1.7"'


def _ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that enclose a range from below, about `count` of them."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= rough) * power
    first = math.floor(low / step)
    return [(first + i) * step for i in range(math.ceil(high / step - 1e-9) - first + 1)]


def _tick(value: float) -> str:
    return figure(value) if value and (abs(value) >= 1e6 or abs(value) < 1e-3) else f"{float(f'{value:.6g}'):,.10g}"


def _text(text: str) -> str:
    """Text for XML; control characters, which XML forbids, are replaced."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))
