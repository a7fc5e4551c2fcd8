"""Small values in the state file, by name."""

from __future__ import annotations

import logging
import sqlite3
import zlib
from pathlib import Path
from typing import Any

from edgedescent.state.state_file import guarded

log = logging.getLogger(__name__)


def with_checksum(text: str) -> str:
    """A text after its checksum: damage must not look like another learner, or other settings."""
    return f"{zlib.crc32(text.encode()):08x} {text}"


class MetaTable:
    """Table of names and values.

    Args:
        db: Connection to the state file.
        path: Path of the file, for errors.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    def get(self, key: str) -> Any:
        """Value of a name; None if there is none."""
        with guarded(self._path):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def get_checked(self, key: str, what: str) -> str | None:
        """Text that was set with its checksum; None if there is none, or it is damaged, which is logged."""
        value = self.get(key)
        if value is None:
            return None
        _, _, text = str(value).partition(" ")
        if with_checksum(text) == value:
            return text
        log.error("The record of the %s in %s is damaged.", what, self._path)
        return None

    def set(self, key: str, value: Any) -> None:
        """Set a value, within a transaction."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def set_checked(self, key: str, text: str) -> None:
        """Set a text with its checksum, within a transaction."""
        self.set(key, with_checksum(text))
