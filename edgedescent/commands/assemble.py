"""`edgedescent assemble`: the events that inputs make of recorded messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edgedescent import config as configuration
from edgedescent.console.options import CONFIG, SETTINGS, example
from edgedescent.console.terminal import Progress, printable
from edgedescent.errors import ConfigError

if TYPE_CHECKING:
    from edgedescent.engine.messages import Message


@click.command(
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent assemble device.toml > events.jsonl",
        "edgedescent assemble device.toml --recording morning.jsonl --kind asked",
    ),
)
@CONFIG
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file by `edgedescent journal export` instead of the journal of the device.",
)
@click.option(
    "--kind",
    type=click.Choice(["learned", "asked", "all"]),
    default="learned",
    show_default=True,
    help="Events with their labels, those that were predicted before the label was there, or both.",
)
def assemble(config: str, recording: Path | None, kind: Literal["learned", "asked", "all"]) -> None:
    """Write the events that the inputs of CONFIG make of recorded messages, one a line of JSON.

    Each has its time, its features `x`, its label `y` where it is known, and its id. Nothing is learned. What could
    not be used is counted on standard error. Works beside a running daemon.
    """
    from edgedescent.assembly import encode_row
    from edgedescent.state.assembled import AssembledEvents

    loaded = configuration.load(config)
    with Progress("Assembling") as bar:
        messages = _messages(loaded, recording, bar)
        events = AssembledEvents(loaded.engine_settings(), messages)
        output = sys.stdout.buffer
        for row in events:
            if kind == "all" or (row.y is None) == (kind == "asked"):
                output.write(encode_row(row) + b"\n")
        output.flush()
    counters = events.counters
    click.echo(
        f"{counters['messages']} messages, {counters['readings']} readings: {counters['events_learned']} events with a "
        f"label, {counters['events_predicted']} without, {counters['dead_letters']} dead letters.",
        err=True,
    )
    if events.dead_letters:
        first = events.dead_letters[0]
        click.echo(
            printable(f"The first dead letter ({first.reason}) is from {first.topic!r}: {first.error}"), err=True
        )


def _messages(config: configuration.Config, recording: Path | None, bar: Progress) -> Iterator[Message]:
    """Messages of a recording, or of the journal; raises at once if there is none."""
    from edgedescent.state.recording import extent, read

    if recording is not None:
        return _recorded(recording)
    found = extent(config.state.path)

    def journaled() -> Iterator[Message]:
        for message in read(config.state.path):
            bar.update(message.position - found.first + 1, found.last - found.first + 1)
            yield message

    return journaled()


def _recorded(path: Path) -> Iterator[Message]:
    from edgedescent.state.recording import from_line

    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield from_line(line)
            except ValueError as error:
                raise ConfigError(f"{path}, line {number}: {error}.", "Expected a line of `journal export`.") from error
