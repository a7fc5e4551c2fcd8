"""The command line. Each command is a thin face of a function that programs can call too."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

import click

import edgedescent
from edgedescent import config as configuration
from edgedescent.errors import EdgeDescentError
from edgedescent.suggest import did_you_mean

GROUP = "edgedescent.commands"
"""Entry points of commands that live outside this package."""


class _Commands(click.Group):
    """The built-in commands and those of installed packages, which are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *(point.name for point in entry_points(group=GROUP))])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if (command := super().get_command(ctx, name)) is not None:
            return command
        for point in entry_points(group=GROUP, name=name):
            loaded: click.Command = point.load()
            return loaded
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}".rstrip())
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeDescentError as error:
            hint = f" Hint: {error.hint}" if error.hint else ""
            # What others say in an error of ours may have several lines.
            click.echo(" ".join(f"Error: {error}{hint}".split("\n")), err=True)
            ctx.exit(1)


def _example(*lines: str) -> str:
    # The backspace keeps click from filling the lines up.
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def _load(path: str) -> configuration.Config:
    """A configuration with all that adapters have to say about it."""
    from edgedescent import daemon
    from edgedescent.adapters import load_adapter

    def check(config: configuration.Config) -> None:
        daemon.check(config)
        load_adapter(config.snapshots.exporter, "snapshots.exporter")

    return configuration.load(path, check=check)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_example(
        "edgedescent demo                  see it work, without any set-up",
        "edgedescent run device.toml       run the daemon",
    ),
)
@click.version_option(edgedescent.__version__, prog_name="edgedescent")
def cli() -> None:
    """Learn from a message broker, one event at a time."""


CONFIG = click.argument("config", type=click.Path(dir_okay=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@cli.command(epilog=_example("edgedescent run device.toml"))
@CONFIG
@click.option("--verbose", is_flag=True, help="Log more.")
def run(config: str, verbose: bool) -> None:
    """Run the daemon that CONFIG describes until SIGTERM or Ctrl-C.

    SIGUSR1 makes it export a snapshot.
    """
    from edgedescent import logs
    from edgedescent.signals import Signals

    signals = Signals()
    # Before the rest is even imported, which takes a while.
    signals.listen()
    logs.set_up(verbose=verbose)
    from edgedescent import daemon

    daemon.run(_load(config), config, signals)


@cli.command(epilog=_example("edgedescent check device.toml"))
@CONFIG
@JSON
def check(config: str, as_json: bool) -> None:
    """Check CONFIG without starting anything."""
    loaded = _load(config)
    learner = loaded.build_learner()
    if as_json:
        click.echo(json.dumps({"config": config, "ok": True, "learner": configuration.describe(learner)}))
    else:
        click.echo(f"{config} is fine: device {loaded.device!r}, {learner!r}, state in {loaded.state.path}.")


@cli.command(epilog=_example("edgedescent status device.toml"))
@CONFIG
@JSON
def status(config: str, as_json: bool) -> None:
    """Say how the running daemon is doing; fails if none runs."""
    from edgedescent.status import read_status

    found = read_status(configuration.load(config))
    if as_json:
        click.echo(json.dumps(found))
        return
    connected = "connected" if found["connected"] else "not connected"
    click.echo(f"Process {found['pid']}, {connected}, reported {found['age_s']:.0f} s ago.")
    for name, value in found.items():
        if name not in ("pid", "connected", "age_s", "time", "device"):
            click.echo(f"  {name:24} {value:.6g}" if isinstance(value, float) else f"  {name:24} {value}")


@cli.command(epilog=_example("edgedescent export device.toml"))
@CONFIG
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="A folder other than the state's.")
@JSON
def export(config: str, output: Path | None, as_json: bool) -> None:
    """Export the newest state as a snapshot, checked against the live model.

    Works beside a running daemon and without one.
    """
    from edgedescent import snapshots

    card = snapshots.export(configuration.load(config), output)
    if as_json:
        click.echo(json.dumps(card))
    else:
        parity = card["parity"]
        click.echo(
            f"{card['path']}: message {card['position']}, {card['bytes']} bytes, agrees with the live model on "
            f"{parity['events']} events (largest relative difference {parity['max_rel_diff']:.2g})."
        )


@cli.command(epilog=_example("edgedescent snapshots device.toml"))
@CONFIG
@JSON
def snapshots(config: str, as_json: bool) -> None:
    """List the published snapshots, oldest first."""
    from edgedescent import snapshots as published

    cards = published.snapshots(Path(configuration.load(config).state.path) / published.FOLDER)
    for card in cards:
        if as_json:
            click.echo(json.dumps(card))
        else:
            mae = card["metrics"].get("mae")
            error = "" if mae is None else f"  mae {mae:.4g}"
            click.echo(f"{card['created_at']}  message {card['position']}{error}  {card['path']}")
    if not cards and not as_json:
        click.echo("No snapshots.")


@cli.command("dead-letters", epilog=_example("edgedescent dead-letters device.toml --reason wrong_type"))
@CONFIG
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000), help="How many to show.")
@click.option("--reason", help="Only those of one reason.")
@JSON
def dead_letters(config: str, limit: int, reason: str | None, as_json: bool) -> None:
    """Show the newest events that could not be used, and why."""
    from edgedescent.store import Store

    store = Store(configuration.load(config).state.path, read_only=True)
    try:
        letters = store.dead_letters(limit, reason)
    finally:
        store.close()
    for letter in letters:
        payload = letter.payload.decode(errors="replace")
        if as_json:
            record = {
                "position": letter.position,
                "index": letter.index,
                "received_at": letter.received_at,
                "topic": letter.topic,
                "reason": letter.reason,
                "error": letter.error,
                "payload": payload,
            }
            click.echo(json.dumps(record))
        else:
            when = datetime.fromtimestamp(letter.received_at, UTC).isoformat(timespec="seconds")
            click.echo(_printable(f"{when}  {letter.reason}  {letter.topic}  {letter.error}"))
            click.echo(f"    {_printable(payload[:200])}")
    if not letters and not as_json:
        click.echo("No dead letters.")


def _printable(text: str) -> str:
    """Text from anywhere, safe for a terminal, which obeys what it is sent."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def main() -> NoReturn:
    """Run the command line; the exit code is 0 only on success."""
    cli(prog_name="edgedescent")
    sys.exit(0)
