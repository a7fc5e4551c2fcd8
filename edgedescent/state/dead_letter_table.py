"""Dead letters in the state file, bounded by number and size.

Each row has a checksum: a damaged dead letter must not be published as an event.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from edgedescent.engine.messages import DeadLetter

log = logging.getLogger(__name__)

COLUMNS = "position, place, received_at, topic, reason, error, payload, crc"
"""Columns of a row, in the order in which `to_row` returns them and `from_rows` takes them."""
_encode = msgspec.msgpack.Encoder().encode
_ROW_BYTES = 64
"""Size of a row apart from its texts and payload."""
_SIZE = f"(length(CAST(topic AS BLOB)) + length(CAST(error AS BLOB)) + length(payload) + {_ROW_BYTES})"
_ROOM = 16
"""Beyond the bound on bytes, one part in so many is freed at once: finding out the size reads the whole table."""


class DeadLetterTable:
    """Table of the dead letters, and those that wait for the transaction of their messages.

    Args:
        db: Connection to the state file.
        count_max: Number of dead letters to keep; the oldest are removed.
        bytes_max: Size of the dead letters to keep; the oldest are removed.

    Attributes:
        pending: Dead letters that are not written yet.
    """

    def __init__(self, db: sqlite3.Connection, count_max: int, bytes_max: int) -> None:
        self._db = db
        self._count_max = count_max
        self._bytes_max = bytes_max
        self.pending: deque[DeadLetter] = deque(maxlen=count_max)
        self._bytes: int | None = None
        """Size of all rows, or more: another process may have purged some. None before it is known."""
        self._bytes_written: int | None = None
        """The same after the transaction that is under way."""

    def due(self, up_to: int) -> list[DeadLetter]:
        """Dead letters of messages up to a position that are not written yet."""
        return [dead_letter for dead_letter in self.pending if dead_letter.position <= up_to]

    def write(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Write dead letters, and remove the oldest beyond the bounds, within a transaction."""
        self._bytes_written = self._bytes
        if not dead_letters:
            return
        before = self._measure() if self._bytes is None else self._bytes
        self._db.executemany(
            f"INSERT OR IGNORE INTO dead_letters ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [to_row(dead_letter) for dead_letter in dead_letters],
        )
        # By position, not by time of writing: recovery may write dead letters again that were removed before.
        self._db.execute(
            "DELETE FROM dead_letters WHERE (position, place) <= "
            "(SELECT position, place FROM dead_letters ORDER BY position DESC, place DESC LIMIT 1 OFFSET ?)",
            (self._count_max,),
        )
        size = before + sum(map(_size_of, dead_letters))
        self._bytes_written = size if size <= self._bytes_max else self._shrink()

    def written(self, up_to: int) -> None:
        """Note that the transaction was committed."""
        self._bytes = self._bytes_written
        self.pending = deque((x for x in self.pending if x.position > up_to), maxlen=self._count_max)

    def _measure(self) -> int:
        return int(self._db.execute(f"SELECT ifnull(sum({_SIZE}), 0) FROM dead_letters").fetchone()[0])  # noqa: S608

    def _shrink(self) -> int:
        """Remove the oldest rows if there are too many bytes; returns the size of the rest."""
        size = self._measure()
        if size <= self._bytes_max:
            return size
        wanted = self._bytes_max - self._bytes_max // _ROOM
        last: tuple[int, int] | None = None
        for position, place, row_size in self._db.execute(
            f"SELECT position, place, {_SIZE} FROM dead_letters ORDER BY position, place"  # noqa: S608 - constants only
        ):
            if size <= wanted:
                break
            size -= row_size
            last = position, place
        if last is not None:
            self._db.execute("DELETE FROM dead_letters WHERE (position, place) <= (?, ?)", last)
        return size

    def newest(self, limit: int, reason: str | None) -> list[DeadLetter]:
        """Newest dead letters, newest first, without the empty rows of purged ones; see `Store.dead_letters`."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM dead_letters "  # noqa: S608 - constants only
            "WHERE reason != '' AND (?1 IS NULL OR reason = ?1) ORDER BY position DESC, place DESC LIMIT ?2",
            (reason, limit),
        )
        return from_rows(rows)


def to_row(dead_letter: DeadLetter) -> tuple[Any, ...]:
    """Row of a dead letter."""
    values = msgspec.structs.astuple(dead_letter)
    return *values, row_checksum(values)


def from_rows(rows: Iterable[Sequence[Any]]) -> list[DeadLetter]:
    """Dead letters of the undamaged rows; damaged ones are logged and left out."""
    found = []
    for *values, crc in rows:
        if row_checksum(values) == crc:
            found.append(DeadLetter(*values))
        else:
            log.error("The dead letter %s.%s is damaged and left out.", *values[:2])
    return found


def row_checksum(values: Sequence[Any]) -> int:
    """CRC-32 of the values of a row, of whatever type they are."""
    return zlib.crc32(_encode(values))


def _size_of(dead_letter: DeadLetter) -> int:
    return len(dead_letter.topic.encode()) + len(dead_letter.error.encode()) + len(dead_letter.payload) + _ROW_BYTES
