"""Output of the command `simulate`: files, summary, comparison with a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from edgedescent.console.terminal import printable
from edgedescent.errors import ConfigError
from edgedescent_sims.report import curve_svg, sparkline, summary_text, write_parquet, write_report
from edgedescent_sims.report.view import BAR_STATES, bar_counts, bar_state, bar_value
from edgedescent_sims.result import SimulationResult, Timing, load_result
from edgedescent_sims.scenarios import library
from edgedescent_sims.simulate.comparison import compare
from edgedescent_sims.simulate.preview import POINTS, preview

REPORT = "report.html"
TIMINGS = "timings.json"


def write(results: Sequence[SimulationResult], timings: Mapping[str, Sequence[Timing]], folder: Path) -> None:
    """Write each result as JSON, its error curve as SVG, all scores as a Parquet table, the timings, and the report.

    Raises:
        ConfigError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for result in results:
            (folder / f"{result.name}.json").write_bytes(result.to_json())
            (folder / f"{result.name}.svg").write_text(curve_svg(result), encoding="utf-8")
        (folder / TIMINGS).write_bytes(msgspec.json.format(msgspec.json.encode(timings), indent=1) + b"\n")
        write_report(folder / REPORT, results, timings)
        write_parquet(folder / "scores.parquet", results)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}.", "Give another --out.") from error


def conclude(
    results: Sequence[SimulationResult],
    timings: Mapping[str, Sequence[Timing]],
    folder: Path | None,
    *,
    as_json: bool = False,
) -> None:
    """Print the results, as JSON or for a person.

    Args:
        results: The results.
        timings: Cost of the candidates, by the name of the result.
        folder: Folder with the report; None if none was written.
        as_json: Print JSON.
    """
    if as_json:
        for result in results:
            click.echo(msgspec.json.encode(result))
        return
    for result in results:
        click.echo(summary_text(result))
        _print_timings(timings.get(result.name, ()))
    if verdict := _verdict(results):
        click.echo(verdict)
    if folder is not None:
        click.echo(f"Report: {folder / REPORT}")


def _verdict(results: Sequence[SimulationResult]) -> str:
    """Number of bars in each state over all results, and each one that makes the run fail; empty without bars."""
    counts = bar_counts(bar for result in results for bar in result.bars)
    if not counts:
        return ""
    lines = ["Bars: " + "; ".join(f"{count} {BAR_STATES[state]}" for state, count in counts.items()) + "."]
    lines += [
        f"{result.name}: {bar.candidate} {BAR_STATES[bar_state(bar)]}: {bar.expression}, value {bar_value(bar)}"
        for result in results
        for bar in result.failures
    ]
    return "\n".join(printable(line) for line in lines)


def print_comparison(results: Sequence[SimulationResult], path: Path, tolerance: float, *, quiet: bool) -> bool:
    """Compare with an earlier result and print the differences; returns True if a score is worse.

    Raises:
        ConfigError: If the baseline is no result, or of no scenario that was run.
    """
    baseline = load_result(path)
    matching = [result for result in results if result.name == baseline.name]
    result = matching[0] if matching else results[0]
    changes = compare(result, baseline, tolerance)
    for change in changes:
        if not quiet or change.is_worse:
            verdict = "WORSE" if change.is_worse else "ok"
            click.echo(
                f"{verdict:5} {change.candidate} {change.score}: {_shown(change.before)} -> {_shown(change.after)}",
                err=quiet,
            )
    return any(change.is_worse for change in changes)


def print_library(*, as_json: bool) -> None:
    """List the scenarios of the library by group: name, error curve of the first candidate, what it stresses."""
    groups = library.grouped(map(library.load, library.names()))
    if as_json:
        listed = [
            {
                "name": each.name,
                "group": group,
                "stresses": each.stresses,
                "kind": each.kind,
                "candidates": list(each.candidates),
                "fail_if": each.fail_if,
                "expected_failures": each.expected_failures,
                "error": preview(each),
            }
            for group, members in groups.items()
            for each in members
        ]
        click.echo(msgspec.json.encode(listed))
        return
    width = max(len(each.name) for members in groups.values() for each in members)
    for group, members in groups.items():
        click.echo(group)
        for each in members:
            click.echo(printable(f"  {each.name:{width}}  {sparkline(preview(each)):{POINTS}}  {each.stresses}"))
        click.echo()
    click.echo("The pictures show the error of the first candidate over the stream. Run one: edgedescent simulate NAME")


def _print_timings(timings: Sequence[Timing]) -> None:
    if timings:
        listed = ", ".join(f"{timing.candidate} {timing.us_per_event:.3g}" for timing in timings)
        click.echo(f"Microseconds an event, on this machine: {listed}\n")


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
