"""Command line: lookup of commands, and the conversion of errors to one line and an exit code."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from typing import Any, NoReturn

import click

import edgedescent
from edgedescent.commands import COMMANDS
from edgedescent.console.options import SETTINGS, example
from edgedescent.daemon import logs
from edgedescent.errors import EdgeDescentError, did_you_mean, printable

_OUTPUT_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing to standard output. Errors with other files are caught where they happen."""


class _Commands(click.Group):
    """Group of the registered commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        return COMMANDS.get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            hint = did_you_mean(args[0], self.list_commands(ctx))
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}".rstrip())
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EdgeDescentError as error:
            hint = f" Hint: {error.hint}" if error.hint else ""
            # The text of a library within the message may have several lines.
            line = printable(" ".join(f"Error: {error}{hint}".split("\n")))
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


def _open_standard_streams() -> None:
    """Give a closed standard stream the null device; else the next file that is opened would get what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        # The system gives the lowest free number.
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python has none for a stream that was closed when it started.
    sys.stdout = sys.stdout or io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")
    sys.stderr = sys.stderr or io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")


def main() -> NoReturn:
    """Run the command line; the exit code is 0 only on success."""
    _open_standard_streams()
    try:
        cli(prog_name="edgedescent")
    except OSError as error:
        if error.errno not in _OUTPUT_FULL or error.filename is not None:
            raise
        click.echo(f"Error: The output cannot be written: {error.strerror}.", err=True)
        # Python flushes the rest of the output at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)
