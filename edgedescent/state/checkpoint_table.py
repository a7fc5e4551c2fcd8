"""Checkpoints in the state file: the newest ones, and what recovery needs of the journal because of them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.errors import StateError
from edgedescent.state import codec
from edgedescent.state.checkpoints import CheckpointParts, read_parts
from edgedescent.state.state_file import guarded, row_of

log = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2


class Checkpoint(msgspec.Struct, frozen=True):
    """State of the engine after the message at `position`."""

    position: int
    created_at: float
    """Time of creation in seconds since 1970."""
    state: dict[str, Any]


class CheckpointTable:
    """Table of the checkpoints.

    Args:
        db: Connection to the state file.
        path: Path of the file, for errors.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._damaged: set[int] = set()
        """Positions of the checkpoints that were found to be damaged."""

    def extent(self) -> tuple[int, int]:
        """Number of checkpoints, and the position of the oldest; zeros if there is none."""
        count, oldest = self._db.execute("SELECT count(*), min(position) FROM checkpoints").fetchone()
        return count, oldest or 0

    def newest_behind(self, position: int) -> int:
        """Position of the newest undamaged checkpoint behind a position; 0 if there is none."""
        positions = self._db.execute(
            "SELECT position FROM checkpoints WHERE position > ? ORDER BY position DESC", (position,)
        ).fetchall()
        # Read as a whole: a wrong position would be that of messages that never were.
        return next((found for (found,) in positions if self._read_one(found) is not None), 0)

    def newest_bytes(self) -> int:
        """Size of the newest checkpoint; 0 if there is none."""
        with guarded(self._path):
            row = self._db.execute(
                "SELECT CAST(data AS BLOB) FROM checkpoints ORDER BY position DESC LIMIT 1"
            ).fetchone()
            root = b"" if row is None else row[0] or b""
            numbers = codec.parts_of(root)
            parts = self._db.execute(
                "SELECT ifnull(sum(length(data)), 0) FROM parts WHERE id >= ? AND id < ?", (numbers.start, numbers.stop)
            ).fetchone()[0]
        return len(root) + int(parts)

    def parts(self) -> CheckpointParts:
        """Parts of the checkpoints, for writing."""
        return CheckpointParts(self._db)

    def add(self, position: int, created_at: float, data: bytes, *, alone: bool = False) -> None:
        """Add a checkpoint, and remove the oldest and those that were found to be damaged, within a transaction.

        Args:
            position: Position of the last message that it includes.
            created_at: Time of creation in seconds since 1970.
            data: Its root.
            alone: Remove all others.
        """
        for damaged in self._damaged:
            # It is no second generation.
            self._db.execute("DELETE FROM checkpoints WHERE position = ?", (damaged,))
        self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (position, created_at, data))
        self._db.execute(
            "DELETE FROM checkpoints WHERE position NOT IN "
            "(SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?)",
            (1 if alone else CHECKPOINTS_KEPT,),
        )

    def read(self) -> Iterator[Checkpoint]:
        """Read the undamaged checkpoints, newest first. Damaged ones are logged and skipped."""
        with guarded(self._path):
            positions = self._db.execute("SELECT position FROM checkpoints ORDER BY position DESC").fetchall()
        for (position,) in positions:
            if (checkpoint := self._read_one(position)) is not None:
                yield checkpoint

    def _read_one(self, position: int) -> Checkpoint | None:
        """Checkpoint at a position; None if it is damaged, which is logged."""
        try:
            created_at, data = row_of(self._db, "SELECT created_at, data FROM checkpoints WHERE position = ?", position)
            return Checkpoint(position, created_at, codec.decode(data, self._read_parts, position))
        except (StateError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
            log.error("The checkpoint at message %d is not usable: %s", position, error)
            self._damaged.add(position)
            return None

    def _read_parts(self, first: int, count: int) -> Iterable[bytes]:
        return read_parts(self._db, first, count)

    def needed_from(self) -> int:
        """Position behind which messages may be processed again.

        A journal that is whole can be processed from its first message on.
        """
        with guarded(self._path):
            needed = self._db.execute(
                "SELECT min(position) FROM (SELECT min(position) AS position FROM checkpoints UNION ALL "
                "SELECT min(first) - 1 FROM journal)"
            ).fetchone()[0]
        return needed or 0
