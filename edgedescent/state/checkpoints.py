"""Checkpoints in the state file: written piece by piece, so that the daemon's loop can run between the pieces.

A checkpoint is a row of the table ``checkpoints``. What does not fit into one piece is stored before, in rows of the
table ``parts``. Without their checkpoint, parts mean nothing: those of an interrupted one are removed later.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable

from edgedescent.state import codec

PIECE_BYTES = 131_072
"""Size of a piece. It is written and synced in about the time that a commit takes."""
PARTS_PER_REMOVAL = 8
"""Number of parts that are removed at once: SQLite reads each page of a row that it removes."""
MAX_ID = 2**63 - 1
"""Largest number that SQLite knows."""


def read_parts(db: sqlite3.Connection, first: int, count: int) -> Iterable[bytes]:
    """Read the parts of a checkpoint, as `codec.decode` needs them; damaged numbers find none."""
    last = first + count - 1
    if not 0 < first <= last <= MAX_ID:
        return []
    rows = db.execute("SELECT CAST(data AS BLOB) FROM parts WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))
    return (row[0] or b"" for row in rows)


class CheckpointWriter:
    """Writes one checkpoint, each piece in a transaction of its own.

    After an error of the disk, a piece can be written again. An abandoned checkpoint is none.

    Args:
        encoding: The encoded state.
        position: Position of the last message that the state includes.
        first_part: Number of the first part.
        write_part: Writes a part, given its number and content.
        write_root: Writes the row that makes the parts a checkpoint.

    Attributes:
        position: Position of the last message that the state includes.
        size: Size of the checkpoint in bytes.
    """

    def __init__(
        self,
        encoding: codec.Encoding,
        position: int,
        first_part: int,
        write_part: Callable[[int, bytes], None],
        write_root: Callable[[bytes], None],
    ) -> None:
        self.position = position
        self.size = encoding.size
        self._encoding = encoding
        self._parts = encoding.parts()
        self._next = first_part
        self._end = first_part + encoding.n_parts
        self._piece: bytes | None = None
        """The piece that is written next, once it was made."""
        self._write_part = write_part
        self._write_root = write_root

    @property
    def has_parts(self) -> bool:
        """True if there are parts to write before the root."""
        return self._next < self._end

    def write_piece(self) -> bool:
        """Write the next piece.

        Returns:
            True if it was the last one, which completes the checkpoint.

        Raises:
            DiskFullError: If the disk is full. The piece can be written again.
            StateError: If it fails for another reason.
        """
        is_last = not self.has_parts
        if self._piece is None:
            self._piece = self._encoding.root() if is_last else next(self._parts)
        if is_last:
            self._write_root(self._piece)
        else:
            self._write_part(self._next, self._piece)
            self._next += 1
        self._piece = None
        return is_last

    def write_all(self) -> int:
        """Write all pieces that are left; returns the size of the checkpoint in bytes."""
        while not self.write_piece():
            pass
        return self.size


class CheckpointParts:
    """Parts of checkpoints in the state file, and the removal of those that belong to none.

    Args:
        db: Connection to the state file.

    Attributes:
        unused: Numbers of the parts that belong to no checkpoint, oldest first.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.unused: deque[int] = deque()
        self.find_unused()

    def find_unused(self) -> None:
        """Find the parts that belong to no checkpoint. While one is being written, its parts are such too."""
        roots = self._db.execute("SELECT CAST(data AS BLOB) FROM checkpoints").fetchall()
        needed = [codec.parts_of(root[0] or b"") for root in roots]
        found = self._db.execute("SELECT id FROM parts ORDER BY id").fetchall()
        self.unused = deque(part for (part,) in found if not any(part in parts for parts in needed))

    def next_number(self) -> int:
        """Number for the next part."""
        return int(self._db.execute("SELECT ifnull(max(id), 0) + 1 FROM parts").fetchone()[0])

    def write(self, number: int, data: bytes) -> None:
        """Write a part, within a transaction."""
        self._db.execute("INSERT INTO parts VALUES (?, ?)", (number, data))

    def remove_some(self) -> int:
        """Remove some unused parts, within a transaction; returns their number, for `removed`."""
        numbers = [self.unused[i] for i in range(min(PARTS_PER_REMOVAL, len(self.unused)))]
        for number in numbers:
            self._db.execute("DELETE FROM parts WHERE id = ?", (number,))
        return len(numbers)

    def removed(self, count: int) -> None:
        """Note that the transaction was committed."""
        for _ in range(count):
            self.unused.popleft()
