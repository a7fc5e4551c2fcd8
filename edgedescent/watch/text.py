"""Picture of a device as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from edgedescent.watch.picture import Picture
from edgedescent.watch.tables import Table, headline, problems, tables

ROWS_MAX = 20
"""Number of rows of a table that are printed."""


def text(picture: Picture) -> str:
    """Picture as lines of text.

    Args:
        picture: The picture.
    """
    lines = [headline(picture), *problems(picture)]
    for table in tables(picture).values():
        if table.rows:
            lines += ["", table.title, *_lines(table)]
    return "\n".join(lines)


def _lines(table: Table) -> Iterator[str]:
    rows = table.rows[:ROWS_MAX]
    widths = [max(map(len, column)) for column in zip(table.columns, *rows, strict=True)]
    for row in (table.columns, *rows):
        yield "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    if len(table.rows) > ROWS_MAX:
        yield f"  and {len(table.rows) - ROWS_MAX:,} more"
