"""`edgedescent journal`: range, size and export of the journaled messages."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Literal

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, JSON, SETTINGS, duration, example
from edgedescent.console.terminal import Progress, printable, timestamp
from edgedescent.engine.messages import POSITION_MAX

POSITION = click.IntRange(1, POSITION_MAX)


@click.group(
    context_settings=SETTINGS,
    epilog=example("edgedescent journal info device.toml", "edgedescent journal export device.toml > journal.jsonl"),
)
def journal() -> None:
    """Show or export the messages that the daemon has journaled."""


@journal.command(epilog=example("edgedescent journal info device.toml"))
@CONFIG
@JSON
def info(config: str, as_json: bool) -> None:
    """Show the range and the size of the journal."""
    from edgedescent.state.recording import extent

    found = extent(configuration.load(config).state.path)
    if as_json:
        named = {name: getattr(found, name) for name in (*found.__struct_fields__, "bytes_per_day")}
        click.echo(json.dumps(named))
        return
    if found.oldest_at is None or found.newest_at is None:
        click.echo("The journal is empty.")
        return
    click.echo(f"Messages {found.first} to {found.last}, in {found.blocks} blocks of {found.bytes} bytes together.")
    click.echo(f"Received from {timestamp(found.oldest_at)} to {timestamp(found.newest_at)}.")
    if found.bytes_per_day is not None:
        click.echo(f"About {found.bytes_per_day:.0f} bytes a day.")


@journal.command(
    epilog=example(
        "edgedescent journal export device.toml --since 6h > morning.jsonl",
        "edgedescent journal export device.toml --from 1000 --to 1999 --format csv --output part.csv",
        "edgedescent replay morning.jsonl --to mqtt://localhost --device pump-8",
    )
)
@CONFIG
@click.option("--from", "first", type=POSITION, default=1, help="The first position.")
@click.option("--to", "last", type=POSITION, help="The last position.  [default: the newest]")
@click.option("--since", callback=duration, help="Only what was received in the last 90s, 15m, 6h or 7d.")
@click.option("--format", "style", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A new file instead of the output.")
@JSON
def export(
    config: str,
    first: int,
    last: int | None,
    since: float | None,
    style: Literal["jsonl", "csv"],
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the messages as they were received, oldest first, one a line.

    With JSON lines, `edgedescent replay` can send them again byte by byte. What is not UTF-8 is given as
    `payload_base64`. Works beside a running daemon. With --json and --output, a line of JSON says what was written.
    """
    from edgedescent.state.recording import export_journal

    if as_json and output is None:
        raise click.UsageError("--json says what was written to a file: give --output too.")
    with Progress("Exporting") as bar:
        count = export_journal(
            configuration.load(config).state.path,
            output,
            first=first,
            last=last,
            since=-math.inf if since is None else time.time() - since,
            style=style,
            on_progress=bar.update,
        )
    if as_json:
        click.echo(json.dumps({"path": str(output), "messages": count}))
    elif output is not None:
        click.echo(printable(f"{output}: {count} messages."))
