"""`edgedescent journal`: what the daemon has received, as a recording."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from edgedescent import config as configuration
from edgedescent.commands.common import CONFIG, JSON, SETTINGS, Progress, example, moment

if TYPE_CHECKING:
    from edgedescent.engine.messages import Message

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@click.group(
    context_settings=SETTINGS,
    epilog=example("edgedescent journal info device.toml", "edgedescent journal export device.toml > journal.jsonl"),
)
def journal() -> None:
    """Look into the messages that the daemon has kept."""


@journal.command(epilog=example("edgedescent journal info device.toml"))
@CONFIG
@JSON
def info(config: str, as_json: bool) -> None:
    """Say how far the journal goes, and how much room it takes."""
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
    click.echo(f"Received from {moment(found.oldest_at)} to {moment(found.newest_at)}.")
    if found.bytes_per_day is not None:
        click.echo(f"About {found.bytes_per_day:.0f} bytes a day.")


def duration(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """A length of time such as 90s, 15m, 6h or 7d, in seconds."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time: expected one like 90s, 15m, 6h or 7d.")
    return int(found[1]) * _UNITS[found[2]]


@journal.command(
    epilog=example(
        "edgedescent journal export device.toml --since 6h > morning.jsonl",
        "edgedescent journal export device.toml --from 1000 --to 1999 --format csv --output part.csv",
        "edgedescent replay morning.jsonl --to mqtt://localhost --device pump-8",
    )
)
@CONFIG
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="The first position.")
@click.option("--to", "last", type=click.IntRange(min=1), help="The last position.  [default: the newest]")
@click.option("--since", callback=duration, help="Only what was received in the last 90s, 15m, 6h or 7d.")
@click.option("--format", "kind", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A new file instead of the output.")
@JSON
def export(
    config: str, first: int, last: int | None, since: float | None, kind: str, output: Path | None, as_json: bool
) -> None:
    """Write the messages as they were received, oldest first, a line each.

    With JSON lines, `edgedescent replay` can send them again byte by byte. What is not UTF-8 is given as
    `payload_base64`. Works beside a running daemon. With --json and --output, a line of JSON says what was written.
    """
    from edgedescent.state.recording import extent, read

    if as_json and output is None:
        raise click.UsageError("--json says what was written to a file: give --output too.")
    folder = configuration.load(config).state.path
    end = min(last or sys.maxsize, extent(folder).last)
    oldest = -float("inf") if since is None else time.time() - since
    count = 0
    with _writer(output) as file, Progress("Exporting", max(end - first + 1, 0)) as bar:
        write = _csv(file) if kind == "csv" else _jsonl(file)
        for message in read(folder, after=first - 1, up_to=end):
            if message.received_at >= oldest:
                write(message)
                count += 1
            bar.update(message.position - first + 1)
    if as_json:
        click.echo(json.dumps({"path": str(output), "messages": count}))
    elif output is not None:
        click.echo(f"{output}: {count} messages.")


@contextlib.contextmanager
def _writer(output: Path | None) -> Iterator[IO[str]]:
    from edgedescent.errors import StateError

    if output is None:
        yield sys.stdout
        # Here it can still be told that there is no room.
        sys.stdout.flush()
        return
    try:
        with output.open("x", encoding="utf-8", newline="") as file:
            try:
                yield file
            except BaseException:
                # Half of it would pass for the whole, and stand in the way of the next attempt.
                output.unlink()
                raise
    except FileExistsError:
        raise StateError(f"{output} exists already.", "Give another name, or remove it.") from None
    except OSError as error:
        raise StateError(f"{output} cannot be written: {error.strerror}.") from error


def _jsonl(file: IO[str]) -> Callable[[Message], None]:
    from edgedescent.state.recording import to_line

    def write(message: Message) -> None:
        file.write(f"{to_line(message)}\n")

    return write


def _csv(file: IO[str]) -> Callable[[Message], None]:
    writer = csv.writer(file)
    writer.writerow(["position", "received_at", "topic", "payload"])

    def write(message: Message) -> None:
        payload = message.payload.decode(errors="backslashreplace")
        writer.writerow([message.position, repr(message.received_at), message.topic, payload])

    return write
