"""The command line: what is common to all commands. The commands themselves are in `edgedescent.commands`."""

from __future__ import annotations

import errno
import logging
import os
import sys
from importlib.metadata import entry_points
from typing import Any, NoReturn

import click

import edgedescent
from edgedescent.commands.backup import backup
from edgedescent.commands.check import check
from edgedescent.commands.common import SETTINGS, example
from edgedescent.commands.dead_letters import dead_letters
from edgedescent.commands.export import export
from edgedescent.commands.journal import journal
from edgedescent.commands.run import run
from edgedescent.commands.snapshots import snapshots
from edgedescent.commands.status import status
from edgedescent.daemon import logs
from edgedescent.errors import EdgeDescentError
from edgedescent.suggest import did_you_mean

GROUP = "edgedescent.commands"
"""Entry points of commands that live outside this package."""
_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What comes of printing to a file that can hold no more; files of ours have errors of their own."""


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
            line = " ".join(f"Error: {error}{hint}".split("\n"))
            click.echo(logs.with_priority(line, logging.ERROR) if logs.is_system_log() else line, err=True)
            ctx.exit(error.exit_code)


@click.group(
    cls=_Commands,
    context_settings=SETTINGS,
    epilog=example(
        "edgedescent demo                  see it work, without any set-up",
        "edgedescent run device.toml       run the daemon",
    ),
)
@click.version_option(edgedescent.__version__, prog_name="edgedescent")
def cli() -> None:
    """Learn from a message broker, one event at a time."""


for command in (backup, check, dead_letters, export, journal, run, snapshots, status):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line; the exit code is 0 only on success."""
    try:
        cli(prog_name="edgedescent")
    except OSError as error:
        if error.errno not in _OUTPUT_FULL or error.filename is not None:
            raise
        click.echo(f"Error: The output cannot be written: {error.strerror}.", err=True)
        # What is left of it is tried once more at the end, and would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)
