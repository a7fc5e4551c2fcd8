"""The disk, as the store is given it: a simulated world gives it another."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from edgedescent.salvage import connect


class Disk:
    """The operating system's file system, with SQLite on it."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it that are missing, accessible to the owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def open_database(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite file to write; made where it is missing, accessible to the owner only."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return connect(path, "rw")
