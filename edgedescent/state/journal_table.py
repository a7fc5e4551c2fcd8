"""Journal in the state file: blocks of received messages, in order."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state import journal_block
from edgedescent.state.state_file import guarded, row_of

log = logging.getLogger(__name__)


class JournalTable:
    """Table of the journal's blocks.

    Args:
        db: Connection to the state file.
        path: Path of the file, for errors.

    Attributes:
        bytes: Size of the blocks.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        last, size = db.execute("SELECT max(last), sum(length(data)) FROM journal").fetchone()
        self.last_position: int = last or 0
        """Position of the last message at the time of opening."""
        self.bytes: int = size or 0

    def append(self, messages: Sequence[Message], *, hurry: bool) -> int:
        """Append a block, within a transaction; returns its size.

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
                log.error("The journal cannot be read at messages %d to %d: %s.", first, last, error)
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
                "SELECT (SELECT max(first) FROM journal WHERE first <= ?), (SELECT min(first) FROM journal)",
                (max(up_to - count + 1, 1),),
            ).fetchone()
        first = oldest if first is None else first
        return up_to if first is None else int(first) - 1

    def extent(self) -> tuple[int, int, int, int]:
        """First and last position, number of blocks and their size in bytes; zeros if the journal is empty."""
        with guarded(self._path):
            found = self._db.execute(
                "SELECT min(first), max(last), count(*), sum(length(data)) FROM journal"
            ).fetchone()
        first, last, blocks, size = (value or 0 for value in found)
        return first, last, blocks, size

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
