"""A copy of the state at one moment, taken beside a running daemon or without one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state.files import sync_folder
from edgedescent.state.repair import connect
from edgedescent.state.state_file import require_file
from edgedescent.state.store import FILE

PAGES = 256
"""How many pages are copied between two looks at how far it is."""


def backup(folder: str | Path, target: Path, told: Callable[[int, int], None] = lambda _done, _total: None) -> int:
    """Copy the state file to `target`, which is complete and synced once it is there; returns its size in bytes.

    The copy is of one moment, however much the daemon writes meanwhile. It is checked before it takes its name.

    Args:
        folder: the state folder.
        target: a file that is not there yet, readable by its owner only.
        told: hears how many pages of how many are copied.

    Raises:
        StateError: if there is no state, the target exists or cannot be written, or the copy is damaged.
    """
    path = Path(folder) / FILE
    require_file(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists():
            raise StateError(f"{target} exists already.", "Give each backup a name of its own, or remove the old one.")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(path, temporary, told)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
            Path(f"{temporary}-journal").unlink(missing_ok=True)
        sync_folder(target.parent)
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise StateError(
            f"The state cannot be copied to {target}: {why}.", "Is there room, and may you write?"
        ) from error


def _copy(path: Path, to: Path, told: Callable[[int, int], None]) -> None:
    """Copy the state file over an empty one, check the copy, and sync it."""
    with closing(connect(path, "ro")) as source, closing(connect(to, "rw")) as copy:
        # The moment is this one. Without a transaction, each commit of the daemon would make SQLite begin anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM meta").fetchone()
        source.backup(copy, pages=PAGES, progress=lambda _status, left, total: told(total - left, total))
        # One file instead of one with a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StateError(
                f"The copy of {path} is damaged: {found.splitlines()[-1]}.",
                "Restart the daemon: it rescues what it can.",
            )
    with to.open("rb") as file:
        os.fsync(file.fileno())
