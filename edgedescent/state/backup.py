"""Backup of the state file, taken beside a running daemon or without one."""

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
"""Number of pages that are copied between two progress reports."""

OnProgress = Callable[[int, int], None]
"""Callback that receives the number of pages copied and the total."""


def backup(folder: str | Path, target: Path, on_progress: OnProgress = lambda _done, _total: None) -> int:
    """Copy the state file to `target`, consistent, checked and synced.

    The copy shows the state at one moment, however much the daemon writes meanwhile. It gets its name only after the
    check, so `target` is complete as soon as it exists.

    Args:
        folder: The state folder.
        target: The file to create, readable by its owner only. It must not exist.
        on_progress: Called with the number of pages copied and the total.

    Returns:
        The size of the copy in bytes.

    Raises:
        StateError: If there is no state, the target exists or cannot be written, or the copy is damaged.
    """
    path = Path(folder) / FILE
    require_file(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists():
            raise StateError(f"{target} exists already.", "Give each backup a name of its own, or remove the old one.")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(path, temporary, on_progress)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
            Path(f"{temporary}-journal").unlink(missing_ok=True)
        sync_folder(target.parent)
        return target.stat().st_size
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise StateError(
            f"The state cannot be copied to {target}: {why}.", "Check the free space and the permissions of the folder."
        ) from error


def _copy(path: Path, to: Path, on_progress: OnProgress) -> None:
    """Copy the state file over an empty one, check the copy, and sync it."""
    with closing(connect(path, "ro")) as source, closing(connect(to, "rw")) as copy:
        # The transaction fixes the moment of the copy. Without it, each commit of the daemon would make SQLite start
        # the copy again.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM meta").fetchone()
        source.backup(copy, pages=PAGES, progress=lambda _status, left, total: on_progress(total - left, total))
        # Store everything in one file, without a WAL beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StateError(
                f"The copy of {path} is damaged: {found.splitlines()[-1]}.",
                "Restart the daemon: it repairs what it can.",
            )
    with to.open("rb") as file:
        os.fsync(file.fileno())
