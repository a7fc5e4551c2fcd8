"""`edgedescent run`: run the daemon, or a dry run that publishes and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, Number, example
from edgedescent.console.terminal import printable


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent run device.toml",
        "edgedescent run device.toml --log-format json",
        "edgedescent run device.toml --dry-run --seconds 30 --show predictions",
    ),
)
@CONFIG
@click.option("--verbose", is_flag=True, help="Log more.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Instead of `logs.format`.")
@click.option("--dry-run", is_flag=True, help="Learn in memory only, beside the daemon; publish and write nothing.")
@click.option("--events", type=click.IntRange(min=1), help="End a dry run after so many events.")
@click.option("--seconds", type=Number(min=0, min_open=True), help="End a dry run after so long.")
@click.option(
    "--show",
    type=click.Choice(["predictions", "recommendations", "metrics", "vectors"]),
    multiple=True,
    help="Print them during a dry run; vectors are the features and labels made from inputs.",
)
@JSON
def run(
    config: str,
    verbose: bool,
    log_format: str | None,
    dry_run: bool,
    events: int | None,
    seconds: float | None,
    show: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run the daemon that CONFIG describes until SIGTERM or Ctrl-C.

    SIGUSR1 makes it export a snapshot.

    A dry run connects under a name of its own and receives what is published from then on; the daemon's queue stays
    as it is. It starts with a copy of the newest state, and ends with a summary on standard output.
    """
    from edgedescent.daemon import logs
    from edgedescent.daemon.signals import Signals

    if not dry_run and (events or seconds or show or as_json):
        raise click.UsageError("--events, --seconds, --show and --json belong to --dry-run.")
    signals = Signals()
    if not dry_run:
        # Before the imports below, which take a while.
        signals.install()
    # Errors in the configuration are logged in this format already.
    logs.set_up(verbose=verbose, style="json" if log_format == "json" else "text")
    loaded = configuration.load(config, check_adapters=True)
    style = loaded.logs.format if log_format is None else log_format
    logs.set_up(verbose=verbose, style="json" if style == "json" else "text", limit=loaded.logs.limit_per_10_s)
    if not dry_run:
        from edgedescent.daemon import main as daemon

        daemon.run(loaded, config, signals)
        return
    from edgedescent.daemon.dry_run import dry_run as run_dry

    summary = run_dry(loaded, events=events, seconds=seconds, on_output=_printer(show))
    click.echo(json.dumps(summary) if as_json else _summary(summary))


def _printer(show: tuple[str, ...]) -> Callable[[str, bytes], None]:
    """Callback that prints the chosen kinds of output."""

    def on_output(kind: str, payload: bytes) -> None:
        if kind in show:
            click.echo(payload)

    return on_output


def _summary(summary: dict[str, Any]) -> str:
    """Text of the summary of a dry run."""
    first = (
        f"{summary['messages']} messages in {summary['seconds']:.1f} s: {summary['events_learned']} events learned, "
        f"{summary['events_predicted']} only predicted, {summary['duplicates']} repeats, "
        f"{summary['dead_letters']} rejected."
    )
    lines = [first]
    lines += [f"  rejected as {reason}: {count}" for reason, count in summary["rejected"].items()]
    if summary["mae"] is not None:
        lines.append(f"  mean absolute error of this run: {summary['mae']:.6g}")
    lines += [
        f"  mean absolute error of this run, {horizon} s ahead: {mae:.6g}"
        for horizon, mae in summary["horizons"].items()
        if mae is not None
    ]
    lines.append(f"  started from: {printable(summary['started_from'])}")
    return "\n".join(lines)
