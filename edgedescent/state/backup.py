"""Backup of the state file, taken beside a running daemon or without one."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state import codec
from edgedescent.state.checkpoints import read_parts
from edgedescent.state.disk import Disk
from edgedescent.state.files import sync_folder
from edgedescent.state.journal_block import is_whole
from edgedescent.state.journal_end import journal_end
from edgedescent.state.position_file import PositionFile
from edgedescent.state.repair import connect, is_damage
from edgedescent.state.state_file import require_file, sqlite_error
from edgedescent.state.store import FILE, POSITION_FILE

log = logging.getLogger(__name__)

PAGES = 256
"""Number of pages that are copied between two progress reports."""

OnProgress = Callable[[int, int], None]
"""Callback that receives the number of pages copied and the total."""


def backup(folder: str | Path, target: Path, on_progress: OnProgress = lambda _done, _total: None) -> int:
    """Copy the state file to `target`, consistent, checked and synced.

    The copy shows the state at one moment, however much the daemon writes meanwhile. It gets its name only after the
    check, so `target` is complete as soon as it exists. Damaged checkpoints and blocks of the journal, and messages
    that the journal has lost at its end, are logged.

    Args:
        folder: The state folder.
        target: The file to create, readable by its owner only. It must not exist.
        on_progress: Called with the number of pages copied and the total.

    Returns:
        The size of the copy in bytes.

    Raises:
        StateError: If there is no state, the target exists or cannot be written, or nothing in the copy is usable.
    """
    path = Path(folder) / FILE
    require_file(path)
    # Before the copy, because the daemon may go on writing.
    position_file = PositionFile(Path(folder) / POSITION_FILE, Disk())
    note = position_file.read()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists():
            raise StateError(f"{target} exists already.", "Give each backup a name of its own, or remove the old one.")
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            _copy(path, temporary, on_progress)
            end, newest = _check_content(path, temporary)
            position_file.compare(note, end, newest)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
            Path(f"{temporary}-journal").unlink(missing_ok=True)
        sync_folder(target.parent)
        return target.stat().st_size
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        if is_damage(error):
            raise sqlite_error(path, error) from error
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


def _check_content(path: Path, copied: Path) -> tuple[int, int]:
    """Log what is damaged in the copy: the structure of a file says nothing about that.

    Returns:
        The last position of the journal, and that of the newest usable checkpoint.

    Raises:
        StateError: If no checkpoint is usable and the journal does not begin with the first message.
    """
    with closing(connect(copied, "ro")) as db:
        end, _ = journal_end(db)
        blocks = db.execute("SELECT first, last, crc, data FROM journal ORDER BY first")
        good = [first for first, last, crc, data in blocks if is_whole(first, last, crc, data)]
        n_blocks = db.execute("SELECT count(*) FROM journal").fetchone()[0]
        n_damaged, newest = 0, 0
        for position, data in db.execute("SELECT position, data FROM checkpoints").fetchall():
            try:
                codec.decode(data, lambda first, count: read_parts(db, first, count), position)
                newest = max(newest, position)
            except StateError:
                n_damaged += 1
    if not newest and n_blocks and good[:1] != [1]:
        raise StateError(
            f"The copy of {path} is damaged: no checkpoint is usable, and the journal is not whole.",
            "Restart the daemon: it repairs what it can.",
        )
    if n_damaged or len(good) < n_blocks:
        log.error(
            "%d checkpoints and %d blocks of the journal in %s are damaged.", n_damaged, n_blocks - len(good), path
        )
    return end, newest
