"""Records in the state file: texts by key, each with a checksum of both."""

from __future__ import annotations

import logging
import sqlite3
import zlib
from pathlib import Path

log = logging.getLogger(__name__)


class MetaTable:
    """Table of records: to whom the state belongs, settings, and what a restart must know besides.

    Damage must not look like another learner, or other settings: a damaged record is logged and counts as missing.

    Args:
        db: Connection to the state file.
        path: Its path, for messages.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def get(self, key: str, what: str) -> str | None:
        """Text of a record; None if there is none, or it is damaged.

        Args:
            key: Key of the record.
            what: What it is a record of, for the log.
        """
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        _, _, text = str(row[0]).partition(" ")
        if row[0] == with_checksum(key, text):
            return text
        log.error("The record of the %s in %s is damaged.", what, self._path)
        return None

    def is_there(self, key: str) -> bool:
        """True if there is a record, damaged or not."""
        return self._db.execute("SELECT 1 FROM meta WHERE key = ?", (key,)).fetchone() is not None

    def holds(self, key: str, text: str) -> bool:
        """True if the record is undamaged and has this text."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row is not None and row[0] == with_checksum(key, text)

    def set(self, key: str, text: str) -> None:
        """Write a record, within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, with_checksum(key, text)))


def with_checksum(key: str, text: str) -> str:
    """Text of a record after the checksum of its key and the text.

    Example:
        >>> with_checksum("device", "pump")
        '6aac13c9 pump'
    """
    return f"{zlib.crc32(f'{key} {text}'.encode()):08x} {text}"
