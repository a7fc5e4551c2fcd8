"""Data of a scenario's charts as compact JSON that is safe inside an HTML script element."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from edgedescent_sims.result import CandidateResult, Curve, Recovery, SimulationResult

POINTS_MAX = 1500
"""Largest number of points of a curve that a chart draws; of longer ones, extremes are kept."""
_SAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def script_json(value: object) -> str:
    r"""JSON that cannot end the script element that holds it.

    Example:
        >>> script_json({"a": "</script>"})
        '{"a":"\\u003c/script\\u003e"}'
    """
    text = msgspec.json.encode(value).decode()
    return "".join(_SAFE.get(c, c) for c in text) if any(c in text for c in _SAFE) else text


def chart_data(result: SimulationResult) -> dict[str, Any]:
    """Data of the charts of a scenario: curves, marks, alarms and recoveries, with four significant digits."""
    numbers: list[list[int]] = []
    curves = []
    for candidate in result.candidates:
        curve = _thinned(candidate.curve)
        if curve.number not in numbers:
            numbers.append(curve.number)
        curves.append({"x": numbers.index(curve.number), "y": _rounded(curve.value)})
    return {
        "events": result.n_events,
        "names": [candidate.name for candidate in result.candidates],
        "peers": [candidate.is_peer for candidate in result.candidates],
        "x": [_steps(number) for number in numbers],
        "curves": curves,
        "marks": [{"kind": m.kind, "label": m.label, "start": m.start, "end": m.end} for m in result.marks],
        "alarms": [candidate.alarms for candidate in result.candidates],
        "recoveries": [[_recovery(recovery) for recovery in candidate.recoveries] for candidate in result.candidates],
    }


def recovery_charts(result: SimulationResult) -> list[tuple[int, list[tuple[int, int, CandidateResult]]]]:
    """Charts of recoveries: for each drift, the index of the candidate and of its recovery, and the candidate."""
    charts = []
    for mark in range(len(result.marks)):
        row = [
            (c, r, candidate)
            for c, candidate in enumerate(result.candidates)
            for r, recovery in enumerate(candidate.recoveries)
            if recovery.mark == mark and recovery.run.number
        ]
        if row:
            charts.append((mark, row))
    return charts


def _recovery(recovery: Recovery) -> dict[str, Any]:
    run, twin = _thinned(recovery.run), _thinned(recovery.twin)
    data = {"mark": recovery.mark, "x": _steps(run.number), "run": _rounded(run.value), "twin": _rounded(twin.value)}
    return data if twin.number == run.number else {**data, "twinX": _steps(twin.number)}


def _steps(number: Sequence[int]) -> list[int] | dict[str, int]:
    """Numbers of events, as their first, step and count where they are evenly spaced."""
    if len(number) > 2:
        step = number[1] - number[0]
        if all(b - a == step for a, b in pairwise(number)):
            return {"from": number[0], "step": step, "count": len(number)}
    return list(number)


def _rounded(values: Sequence[float | None]) -> list[float | int | None]:
    rounded = [None if value is None else float(f"{value:.4g}") for value in values]
    return [int(v) if v is not None and v.is_integer() and abs(v) < 1e15 else v for v in rounded]


def _thinned(curve: Curve) -> Curve:
    """The curve with at most `POINTS_MAX` points: of each equal share the lowest and the highest."""
    count = len(curve.number)
    if count <= POINTS_MAX:
        return curve
    keep = {0, count - 1}
    shares = POINTS_MAX // 2 - 1
    edges = [round(i * count / shares) for i in range(shares + 1)]
    for a, b in pairwise(edges):
        known = sorted((value, i) for i, value in enumerate(curve.value[a:b], a) if value is not None)
        keep |= {known[0][1], known[-1][1]} if known else {a}
    kept = sorted(keep)
    return Curve([curve.number[i] for i in kept], [curve.value[i] for i in kept])
