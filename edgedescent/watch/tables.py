"""Tables of a picture, ready to be shown: all text is safe for a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from edgedescent.console.terminal import printable
from edgedescent.engine.messages import Prediction
from edgedescent.watch.device import HIT_RATE
from edgedescent.watch.picture import Picture

TEXT_MAX = 60
"""Length of a text in a cell; the rest of a longer one is cut off."""
_RARE = (
    *("duplicates", "messages_ignored", "messages_lost", "readings_late", "questions_expired", "disk_full"),
    *("recommend_requests", "events_predicted"),
)
"""Metrics that are left out while they are 0."""
_LABELS = {
    "messages_waiting": "messages to learn",
    "seconds_behind": "behind",
    "messages_uncommitted": "messages to commit",
    "readings_waiting": "readings held",
    "questions_waiting": "events without label",
    "questions_waiting_bytes": "their memory",
    "answers_waiting": "answers to send",
    "position": "journal position",
    "events_per_second": "events a second",
    "busy": "learner busy",
    "memory_bytes": "memory",
    "written_bytes_per_day": "written a day",
    "written_bytes_left": "left to write today",
    "disk_full": "pauses, disk full",
}
"""Words for metrics whose names are not plain enough; of others, `_` is a space."""


class Table(NamedTuple):
    """One table of the view."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    marked: frozenset[int] = frozenset()
    """Numbers of the rows that need attention."""


def tables(picture: Picture) -> dict[str, Table]:
    """Tables of a picture by name, in the order in which they are shown; those with nothing to say have no rows.

    Args:
        picture: The picture.
    """
    return {
        "inputs": _inputs(picture),
        "answers": _answers(picture),
        "errors": _errors(picture),
        "waiting": Table("Waiting", ("what", "now"), _named(picture.waiting)),
        "dead_letters": _dead_letters(picture),
        "drift": _drift(picture),
        "numbers": Table("Daemon", ("what", "now"), _named(picture.numbers)),
    }


def headline(picture: Picture) -> str:
    """Line on the daemon: its state, since when, and how old its report is."""
    daemon = picture.daemon
    parts = [_text(picture.device), _text(daemon.state)]
    if daemon.since is not None:
        parts.append(f"since {_local(daemon.since)}")
    if daemon.version:
        parts.append(f"version {_text(daemon.version)}")
    parts.append("no report yet" if daemon.reported_s is None else f"reported {age(daemon.reported_s)} ago")
    return ", ".join(parts)


def problems(picture: Picture) -> list[str]:
    """Sentences on what is wrong, the most important first."""
    found = [picture.broker.problem, picture.daemon.problem]
    if picture.inputs is not None and picture.inputs.silent:
        found.append(f"Silent inputs: {', '.join(picture.inputs.silent)}.")
    if picture.numbers.get("messages_lost"):
        found.append(f"{picture.numbers['messages_lost']:,.0f} journaled messages could not be read back.")
    if picture.unreadable:
        found.append(f"{picture.unreadable:,} messages on the daemon's topics were not its own.")
    return [printable(one) for one in found if one]


def age(seconds: float) -> str:
    """Format a length of time.

    Example:
        >>> age(4.2), age(90.0), age(7300.0), age(200_000.0)
        ('4 s', '90 s', '122 min', '56 h')
    """
    if abs(seconds) < 120:
        return f"{seconds:.0f} s"
    if abs(seconds) < 3 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if abs(seconds) < 96 * 3600 else f"{seconds / 86_400:.0f} d"


def _text(text: str, length: int = TEXT_MAX) -> str:
    text = printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _metric(name: str, value: float) -> str:
    if "bytes" in name:
        return f"{value / 2**20:,.1f} MiB" if value >= 2**20 else f"{value / 2**10:,.1f} KiB"
    if name == "seconds_behind":
        return f"{value:.3g} s"
    if name == "busy":
        return f"{value:.0%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def _named(numbers: dict[str, float]) -> list[tuple[str, ...]]:
    return [
        (_LABELS.get(name, name.replace("_", " ")), _metric(name, value))
        for name, value in numbers.items()
        if value or name not in _RARE
    ]


def _inputs(picture: Picture) -> Table:
    columns = ("feature", "value", "age", "missing in")
    if picture.inputs is None:
        return Table("Inputs", columns, [])
    silent = set(picture.inputs.silent)
    rows, marked = [], set()
    for number, one in enumerate(picture.inputs.features):
        value = (
            _text(one.value, 24) if isinstance(one.value, str) else "gap" if one.value is None else f"{one.value:.6g}"
        )
        notes = ["missing"] * one.missing + ["silent"] * (one.input in silent)
        share = "" if one.missing_share is None else f"{one.missing_share:.1%}"
        rows.append((_text(one.feature), value, f"{age(one.age_s)} {' '.join(notes)}".rstrip(), share))
        if notes:
            marked.add(number)
    if picture.inputs.left_out:
        rows.append((f"and {picture.inputs.left_out:,} more", "", "", ""))
    return Table("Inputs", columns, rows, frozenset(marked))


def _local(seconds: float) -> str:
    """Time in this machine's time zone."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"


def _about(answer: Prediction) -> str:
    """Key, time and horizon that an answer is about, or else its id."""
    key = "" if answer.key is None else _text(answer.key, 24)
    name = "" if answer.id is None else _text(str(answer.id), 24)
    return f"{key} {name if answer.time is None else _local(answer.time)}{_ahead(answer.horizon_s)}".strip()


def _ahead(horizon_s: float | None) -> str:
    """Words that say the horizon, where there are several."""
    return "" if horizon_s is None else f", {age(horizon_s)} ahead"


def _answers(picture: Picture) -> Table:
    has_interval = any(one.low is not None for one in picture.answers)
    title = f"Predictions ({picture.answers_note})" if picture.answers_note else "Predictions"
    rows: list[tuple[str, ...]] = []
    for one in picture.answers:
        interval = "" if one.low is None or one.high is None else f"{_number(one.low)} to {_number(one.high)}"
        off = "" if one.y is None else _number(one.prediction - one.y)
        row = (_about(one), _number(one.prediction), _number(one.y), off)
        rows.append((*row, interval) if has_interval else row)
    columns = ("about", "prediction", "truth", "off by")
    return Table(title, (*columns, "interval") if has_interval else columns, rows)


def _errors(picture: Picture) -> Table:
    rows: list[tuple[str, ...]] = []
    marked = set()
    for one in picture.comparisons:
        ratio = one.of_model / one.of_baseline if one.of_baseline else None
        if ratio is not None and (ratio < 1 if one.score == HIT_RATE else ratio > 1):
            marked.add(len(rows))
        row = (f"{one.score}{_ahead(one.horizon_s)}", _number(one.of_model), one.baseline, _number(one.of_baseline))
        rows.append((*row, "" if ratio is None else f"{ratio:.2f}"))
    rows += [(name.replace("_", " "), _number(value), "", "", "") for name, value in picture.scores.items()]
    return Table("Errors", ("score", "model", "baseline", "baseline's", "ratio"), rows, frozenset(marked))


def _dead_letters(picture: Picture) -> Table:
    found = picture.dead_letters
    rows = [(_text(reason), f"{n:,}", "") for reason, n in sorted(found.reasons.items())]
    rows += [
        (_text(one.reason), _local(one.received_at), f"{_text(one.topic, 40)}: {_text(one.error, 120)}")
        for one in found.newest
    ]
    return Table(f"Dead letters: {found.total:,}", ("reason", "count or time", "topic and error"), rows)


def _drift(picture: Picture) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            _local(one.time),
            "error" if one.input is None else _text(one.input, 32),
            f"{_number(one.before)} to {_number(one.after)}",
            f"since event {one.since:,}",
        )
        for one in picture.drift.newest
    ]
    return Table(f"Drift alarms: {picture.drift.total:,}", ("time", "of", "mean", "changed"), rows)
