"""Command line options that both `replay` and `demo` have."""

from __future__ import annotations

import click

COUNT_MAX = 2**53
"""Bound of the options that count events."""


def names(_context: click.Context, _parameter: click.Parameter, listed: tuple[str, ...]) -> list[str]:
    """Option callback that splits lists with commas."""
    return [name.strip() for names in listed for name in names.split(",") if name.strip()]


CATEGORIES = click.option(
    "--categories",
    multiple=True,
    callback=names,
    metavar="COLUMN,…",
    help="Columns to read as categories, whatever they hold; can be repeated.",
)
DROP = click.option(
    "--drop", multiple=True, callback=names, metavar="COLUMN,…", help="Columns to leave out; can be repeated."
)
TIME = click.option(
    "--time", metavar="COLUMN", help="The column with the time of the events.  [default: the first that holds times]"
)
