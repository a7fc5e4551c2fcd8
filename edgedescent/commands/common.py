"""What the commands share: their arguments, how they print, and how they load a configuration."""

from __future__ import annotations

import math
import sys
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import click

from edgedescent import config as configuration

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Of every command by itself: what it takes over from the group, it forgets where it was once called without."""
PATIENCE_S = 2.0
"""Work that takes longer shows a person how far it is."""

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def example(*lines: str) -> str:
    """The end of a command's help."""
    # The backspace keeps click from filling the lines up.
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def load(path: str) -> configuration.Config:
    """A configuration with all that adapters have to say about it."""
    from edgedescent.adapters import load_adapter
    from edgedescent.daemon import main as daemon

    def check(config: configuration.Config) -> None:
        daemon.check(config)
        load_adapter(config.snapshots.exporter, "snapshots.exporter")

    return configuration.load(path, check=check)


def printable(text: str) -> str:
    r"""Text from anywhere, safe for a terminal, which obeys what it is sent.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def moment(seconds: float) -> str:
    """A time as a person reads it.

    >>> moment(1_700_000_000.5)
    '2023-11-14T22:13:20+00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def ask(question: str, *, yes: bool) -> None:
    """Go on only if a person agrees, or has agreed on the command line.

    Raises:
        click.UsageError: if nobody can be asked.
        click.Abort: if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to answer: add --yes.")
    click.confirm(question, abort=True, err=True)


class Number(click.FloatRange):
    """A number within bounds; NaN, which is neither below nor above any, and infinity are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; as of every type of click's, what is none ends the command with exit code 2."""
        number: float = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number.", param, ctx)


class Progress:
    """A bar on standard error, once something takes a while and a person watches; use it in a `with` block.

    Args:
        title: what stands before the bar.
        total: how much there is to do.
    """

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self.total = total
        """May still be set until the bar is shown."""
        self._since = time.monotonic()
        self._watched = sys.stderr.isatty()
        self._bar: Any = None
        self._done = 0

    def update(self, done: int) -> None:
        """Show that so much is done."""
        if self._bar is None:
            if not self._watched or time.monotonic() - self._since < PATIENCE_S:
                return
            self._bar = click.progressbar(length=self.total, label=self._title, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, fault, trace)
