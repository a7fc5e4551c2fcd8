"""Plain text of a result, for a terminal and the log of a test run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgedescent.console.terminal import printable
from edgedescent_sims.report.figures import (
    figure,
    interval_text,
    p_value_text,
    recovery_text,
    score_name,
    unfinished_text,
)
from edgedescent_sims.report.view import (
    BAR_STATES,
    bar_state,
    bar_value,
    headline,
    is_best,
    recovery_columns,
    recovery_rows,
    score_columns,
    verdict,
)
from edgedescent_sims.result import CandidateResult, Interval, SimulationResult

_LONGEST_NAME = 28


def summary_text(result: SimulationResult, width: int = 100) -> str:
    """Tables of scores, recoveries, comparison and bars in plain text.

    Scores for which there is no room are left out, the main one never.

    Args:
        result: The result.
        width: Largest number of characters of a line of a table.
    """
    seeds = f"seed {result.seed}" if result.n_seeds == 1 else f"{result.n_seeds} seeds, the first {result.seed}"
    lines = [f"{result.name}: {result.stresses}", f"{result.n_events:,} events, {seeds}", "", *_scores(result, width)]
    if text := headline(result):
        lines += ["", text]
    if any(not candidate.is_repeatable for candidate in result.candidates):
        lines.append("(!) has no seed: its figures differ from run to run.")
    if any(candidate.recoveries for candidate in result.candidates):
        lines += ["", "Recovery, against the twin", *_recoveries(result, width)]
    if result.comparison:
        lines += ["", "Comparison, first minus second", *_comparison(result, width)]
    if result.bars:
        lines += ["", "Bars", *_bars(result, width)]
    lines += ["", f"Repeat with: {result.command}"]
    return "\n".join(printable(line).rstrip() for line in lines) + "\n"


def _scores(result: SimulationResult, width: int) -> list[str]:
    names = score_columns(result)
    header = ["candidate", *(score_name(name) for name in names)]
    rows = []
    for candidate in result.candidates:
        scores = [candidate.scores.get(name) for name in names]
        rows.append([_name(candidate, result), *(_score(score) for score in scores)])
    return _table(header, rows, width, needed=2)


def _recoveries(result: SimulationResult, width: int) -> list[str]:
    names = recovery_columns(result)
    header = ["drift", "candidate", *(score_name(name) for name in names)]
    rows = []
    for mark, candidate, scores in recovery_rows(result):
        texts = []
        for name in names:
            score = scores.get(name)
            text, extra = recovery_text(name, score), unfinished_text(name, score)
            texts.append(f"{text} ({extra})" if extra else text)
        rows.append([result.marks[mark].label, _name(candidate), *texts])
    return _table(header, rows, width, needed=3)


def _comparison(result: SimulationResult, width: int) -> list[str]:
    rows = [
        [
            difference.first,
            difference.second,
            f"{figure(difference.difference.value)} {score_name(difference.score)}",
            p_value_text(difference.p_value),
            verdict(result, difference)[0],
        ]
        for difference in result.comparison
    ]
    return _table(["first", "second", "difference", "p", "conclusion"], rows, width, needed=5, text_columns=(0, 1, 4))


def _bars(result: SimulationResult, width: int) -> list[str]:
    rows = [
        [BAR_STATES[bar_state(bar)], bar.expression, bar.candidate, bar_value(bar), bar.expected] for bar in result.bars
    ]
    return _table(["state", "fails if", "candidate", "value", ""], rows, width, needed=5, text_columns=(0, 1, 2, 4))


def _name(candidate: CandidateResult, result: SimulationResult | None = None) -> str:
    best = "* " if result is not None and is_best(result, candidate) else "  " if result is not None else ""
    return f"{best}{candidate.name}{'' if candidate.is_repeatable else ' (!)'}"


def _score(score: Interval | None) -> str:
    if score is None:
        return figure(None)
    interval = interval_text(score)
    return f"{figure(score.value)} ({interval})" if interval else figure(score.value)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}\u2026"


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    needed: int,
    text_columns: Sequence[int] | None = None,
) -> list[str]:
    """Lines of a table: text to the left, numbers to the right; columns after the needed ones as far as they fit."""
    left = set(range(needed - 1) if text_columns is None else text_columns)
    # The last column may hold a sentence, which needs no width of its own.
    cells = [
        [_short(cell) if i in left and i < len(header) - 1 else cell for i, cell in enumerate(row)] for row in rows
    ]
    widths = [max(len(row[i]) for row in [header, *cells]) for i in range(len(header))]
    count = needed
    while count < len(header) and sum(widths[: count + 1]) + 2 * count <= width:
        count += 1

    def lines() -> Iterator[str]:
        for row in [header, *cells]:
            aligned = [
                cell.ljust(size) if i in left else cell.rjust(size)
                for i, (cell, size) in enumerate(zip(row[:count], widths, strict=False))
            ]
            yield "  ".join(aligned).rstrip()

    return list(lines())
