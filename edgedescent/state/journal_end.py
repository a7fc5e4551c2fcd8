"""End of the journal, found by its undamaged blocks."""

from __future__ import annotations

import logging
import sqlite3

from edgedescent.state.journal_block import is_whole
from edgedescent.state.repair import is_damage

log = logging.getLogger(__name__)


def journal_end(db: sqlite3.Connection) -> tuple[int, bool]:
    """Find the last position of the journal.

    The positions of a damaged block mean nothing: they could be those of messages that never were. Where such a block
    follows the last good one, its first message counts as the last position; how many followed is not known here.

    Args:
        db: Connection to the state file.

    Returns:
        The last position, 0 if the journal is empty, and True if there are damaged blocks at the end or behind it.
    """
    damaged: list[int] = []
    end = 0
    for (first,) in db.execute("SELECT first FROM journal ORDER BY first DESC"):
        try:
            row = db.execute("SELECT last, crc, data FROM journal WHERE first = ?", (first,)).fetchone()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            row = None
        if row is not None and is_whole(first, *row):
            end = row[0]
            break
        log.error("The journal is damaged at its end, from message %s on.", first)
        damaged.append(first)
    if end + 1 in damaged:
        end += 1
    return end, bool(damaged)


def remove_behind(db: sqlite3.Connection, end: int) -> None:
    """Remove the blocks behind the end of the journal, all of which are damaged, so that new ones can follow it."""
    db.execute("DELETE FROM journal WHERE first > ?", (end,))
