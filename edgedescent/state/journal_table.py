"""Journal in the state file: blocks of received messages, in order."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state import journal_block
from edgedescent.state.journal_end import journal_end, remove_behind
from edgedescent.state.state_file import guarded, row_of

log = logging.getLogger(__name__)


class JournalTable:
    """Table of the journal's blocks.

    Args:
        db: Connection to the state file.
        path: Path of the file, for errors.
        read_only: Leave damaged blocks at the end where they are. They are removed otherwise.

    Attributes:
        last_position: Position of the last message.
        bytes: Size of the blocks.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
        self._db = db
        self._path = path
        self.last_position, is_damaged = journal_end(db)
        if is_damaged and not read_only:
            remove_behind(db, self.last_position)
        self.bytes: int = db.execute("SELECT sum(length(data)) FROM journal").fetchone()[0] or 0

    def append(self, messages: Sequence[Message], *, hurry: bool) -> int:
        """Append a block, within a transaction; returns its size, for `written`.

        Args:
            messages: The messages.
            hurry: Use a faster compression, which takes more space.
        """
        first, last = messages[0].position, messages[-1].position
        data = journal_block.pack(messages, hurry=hurry)
        crc = journal_block.checksum(first, last, data)
        self._db.execute(
            "INSERT INTO journal VALUES (?, ?, ?, ?, ?)", (first, last, messages[-1].received_at, crc, data)
        )
        return len(data)

    def written(self, last: int, size: int) -> None:
        """Note that the transaction of a block was committed."""
        self.last_position = last
        self.bytes += size

    def read(self, after: int, end: int) -> Iterator[Message]:
        """Read the readable messages behind a position up to another one; see `Store.read`."""
        with guarded(self._path):
            rows = self._db.execute(
                "SELECT first, last FROM journal WHERE last > ? AND first <= ? ORDER BY first", (after, end)
            ).fetchall()
        for first, last in rows:
            try:
                crc, data = row_of(self._db, "SELECT crc, data FROM journal WHERE first = ?", first)
                block = journal_block.unpack(first, last, crc, data)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                # Both may be of any type in a damaged table.
                log.error("The journal cannot be read at messages %s to %s: %s.", first, last, error)
            except StateError as error:
                log.error("%s", error)
            else:
                for message in block:
                    # A damaged table may list a block twice.
                    if after < message.position <= end:
                        after = message.position
                        yield message

    def first_of_last(self, count: int, up_to: int) -> int:
        """Position before the newest blocks that hold at least `count` messages up to `up_to`."""
        with guarded(self._path):
            first, oldest = self._db.execute(
                "SELECT (SELECT max(first) FROM journal WHERE first BETWEEN 1 AND ?), "
                "(SELECT min(first) FROM journal WHERE first > 0)",
                (max(up_to - count + 1, 1),),
            ).fetchone()
        first = oldest if first is None else first
        return up_to if first is None else int(first) - 1

    def extent(self) -> tuple[int, int, int, int]:
        """First and last position, number of blocks and their size in bytes; zeros if the journal is empty."""
        with guarded(self._path):
            first, blocks, size = self._db.execute(
                "SELECT min(first), count(*), sum(length(data)) FROM journal WHERE first BETWEEN 1 AND ?",
                (self.last_position,),
            ).fetchone()
        return first or 0, self.last_position if blocks else 0, blocks, size or 0

    def trim(self, needed: int, bytes_max: int, oldest: float) -> int:
        """Delete the oldest blocks beyond the bounds, within a transaction; returns their size in bytes.

        Args:
            needed: Position behind which all messages are kept.
            bytes_max: Size up to which blocks are kept.
            oldest: Time of receipt from which on blocks are kept.
        """
        dropped = 0
        while True:
            row = self._db.execute(
                "SELECT first, received_at, length(data) FROM journal WHERE last <= ? ORDER BY first LIMIT 1", (needed,)
            ).fetchone()
            if row is None or (self.bytes - dropped <= bytes_max and row[1] >= oldest):
                return dropped
            self._db.execute("DELETE FROM journal WHERE first = ?", (row[0],))
            dropped += row[2]
