"""Files and text of a sweep: the table of all runs, the ranking, and the best configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from edgedescent.errors import ConfigError
from edgedescent.state.files import replace_atomically
from edgedescent_sims.report.extra import import_extra
from edgedescent_sims.report.figures import DASH
from edgedescent_sims.report.toml_text import toml_text
from edgedescent_sims.sweep.html import render_ranking
from edgedescent_sims.sweep.ranking import Ranked, Ranking
from edgedescent_sims.sweep.space import flattened
from edgedescent_sims.sweep.sweep import SweepResult

RESULTS, TIMINGS, RANKING, REPORT = "results.parquet", "timings.parquet", "ranking.json", "report.html"
N_SHOWN = 10
"""Number of configurations, and of errors, that are printed."""


def write(result: SweepResult, ranking: Ranking, folder: Path) -> None:
    """Write the runs and the ranking.

    The same sweep gives the same results to the last byte, wherever its runs took place and however often it was
    interrupted. What they cost is in a file of its own.

    Raises:
        ConfigError: If the folder cannot be written, or pyarrow is not installed.
    """
    files = {
        RESULTS: parquet(result_rows(result)),
        TIMINGS: parquet(timing_rows(result)),
        RANKING: ranking.to_json(),
        REPORT: render_ranking(result, ranking).encode(),
    }
    for name, data in files.items():
        _write(folder / name, data)


def result_rows(result: SweepResult) -> list[dict[str, Any]]:
    """Rows of the results, one a run: its place, the parameters of the learner, and its scores."""
    rows = []
    for configuration, scenario, repetition, outcome in result.runs:
        parameters = {f"learner.{name}": value for name, value in flattened(configuration.table).items()}
        # Sorted, because those that the journal kept are.
        scores = {f"score.{name}": value for name, value in sorted(outcome.scores.items())}
        rows.append(
            {
                "key": result.keys[configuration.number, scenario, repetition],
                "configuration": configuration.number,
                "scenario": scenario,
                "seed": repetition,
                "error": outcome.error or None,
                **parameters,
                **scores,
            }
        )
    return rows


def timing_rows(result: SweepResult) -> list[dict[str, Any]]:
    """Rows of the timings, one a run."""
    return [
        {"key": result.keys[configuration.number, scenario, repetition], **outcome.cost}
        for configuration, scenario, repetition, outcome in result.runs
    ]


def parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    """Parquet file of rows; a column with values of several types holds their JSON.

    Raises:
        ConfigError: If pyarrow is not installed.
    """
    pa = import_extra("pyarrow", "pyarrow", "A Parquet table")
    parquet_format = import_extra("pyarrow.parquet", "pyarrow", "A Parquet table")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column(pa, [row.get(name) for row in rows]) for name in names}
    sink = pa.BufferOutputStream()
    parquet_format.write_table(pa.table(columns), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _column(pa: Any, values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
    if kinds == {int, float}:
        kinds = {float}
        values = [None if value is None else float(value) for value in values]
    if len(kinds) == 1 and (kind := kinds.pop()) in types:
        return pa.array(values, types[kind])
    texts = [None if value is None else msgspec.json.encode(value).decode() for value in values]
    return pa.array(texts, pa.string())


def write_best(ranking: Ranking, path: Path) -> Ranked:
    """Write the best configuration as the table [learner] of a device's configuration.

    Raises:
        ConfigError: If every configuration has a run without a score, or the file cannot be written.
    """
    best = ranking.configurations[0]
    if best.n_missing:
        raise ConfigError(
            f"Every configuration has a run without the score {ranking.score!r}, so none is the best.",
            "Look at the errors; runs that failed are tried again when the same command is run again.",
        )
    head = f"# The best of {len(ranking.configurations)} configurations by {ranking.score}.\n\n"
    _write(path, (head + toml_text({"learner": best.learner})).encode())
    return best


def ranking_text(ranking: Ranking) -> str:
    """Table of the best configurations, and of the defaults."""
    shown = [each for each in ranking.configurations if each.rank <= N_SHOWN or each.is_default]
    name = f"{ranking.score} {'ratio' if ranking.lower_is_better else 'gain'}"
    headings = ("rank", name, "over seeds", "over scenarios", "mean rank", "best", "configuration")
    lines: list[tuple[str, ...]] = [headings]
    lines += [_cells(each, ranking) for each in shown]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join([c.rjust(w) for c, w in zip(line[:-1], widths, strict=False)] + [line[-1]]) for line in lines]
    left_out = len(ranking.configurations) - len(shown)
    if left_out:
        text.append(f"… and {left_out} more, in {RANKING}")
    relation = "relative to" if ranking.lower_is_better else "above"
    text.append(f"The {name} is {relation} {ranking.reference}, with bootstrap intervals.")
    text.append("`best` is the share of bootstrap samples of scenarios and seeds in which it is the best.")
    return "\n".join(text)


def _cells(each: Ranked, ranking: Ranking) -> tuple[str, ...]:
    sign = "" if ranking.lower_is_better else "+"

    def interval(ends: tuple[float, float] | None) -> str:
        return DASH if ends is None or ends[0] == ends[1] else f"{ends[0]:{sign}.3f} … {ends[1]:{sign}.3f}"

    relative = each.relative
    label = f"{each.label} (default)" if each.is_default else each.label
    if relative is None:
        return (
            str(each.rank),
            DASH,
            DASH,
            DASH,
            f"{each.mean_rank:.1f}",
            DASH,
            f"{label}: {each.n_missing} runs missing",
        )
    share = DASH if each.p_best is None else f"{each.p_best:.0%}"
    intervals = (interval(relative.seeds), interval(relative.scenarios))
    return (str(each.rank), f"{relative.value:{sign}.3f}", *intervals, f"{each.mean_rank:.1f}", share, label)


def failures_text(result: SweepResult) -> str:
    """Lines that say which runs failed; empty if none did."""
    failures = result.failures
    lines = [
        f"FAILED {scenario}, seed {repetition}, {configuration.label}: {outcome.error}"
        for configuration, scenario, repetition, outcome in failures[:N_SHOWN]
    ]
    if len(failures) > N_SHOWN:
        lines.append(f"… and {len(failures) - N_SHOWN} more, in the column `error` of {RESULTS}")
    if failures:
        lines.append(f"{len(failures)} of {len(result.outcomes)} runs failed; the same command tries them again.")
    return "\n".join(lines)


def print_ranking(result: SweepResult, ranking: Ranking, folder: Path, *, as_json: bool) -> None:
    """Print the ranking, as JSON or for a person, and on standard error what failed."""
    if failures := failures_text(result):
        click.echo(failures, err=True)
    if as_json:
        click.echo(msgspec.json.encode(ranking, order="deterministic"))
        return
    click.echo(ranking_text(ranking))
    already = f", {result.n_resumed:,} of them before" if result.n_resumed else ""
    click.echo(f"{len(result.outcomes):,} runs{already}. All runs: {folder / RESULTS}. Report: {folder / REPORT}")


def _write(path: Path, data: bytes) -> None:
    try:
        replace_atomically(path, data, mode=0o666)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.", "Give another path.") from error
