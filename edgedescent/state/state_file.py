"""The SQLite file that holds the state: made, opened, checked, and rescued where it is damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Literal

from edgedescent.errors import DiskFullError, StateError
from edgedescent.state.disk import Disk
from edgedescent.state.repair import PAGE_BYTES, connect, is_damage, repair

APPLICATION_ID = 0x45444753
SCHEMA = 2
Durability = Literal["power", "process"]

_LOG_PAGES = 4000
"""SQLite moves its log into the file when it has grown to so many pages: the rarer, the fewer pages it moves twice.

Up to 4062, the index of the log needs no more room than it has from the beginning; it could not grow on a full disk.
"""
_LOG_BYTES_MAX = 67_108_864
"""A log that had to grow further, because somebody read for long, is cut to this."""
_CACHE_KIB = 512
"""What SQLite keeps of the file in memory. Almost nothing is read twice."""
_SPARE = "INSERT INTO spare VALUES (zeroblob({}));"
# What a disk loses in one piece has 4096 bytes, mostly, and these are four pages. The pages between the beginnings of
# the tables are filled, so that no piece holds two: with the first piece, nothing is lost but what every file has.
_TABLES = f"""
CREATE TABLE spare (data);
{_SPARE.format(2140)}
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
{_SPARE.format(3160)}
CREATE TABLE journal (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, received_at REAL NOT NULL, crc INTEGER NOT NULL,
    data BLOB NOT NULL);
{_SPARE.format(3160)}
CREATE TABLE checkpoints (position INTEGER PRIMARY KEY, created_at REAL NOT NULL, data BLOB NOT NULL);
{_SPARE.format(3160)}
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, place INTEGER NOT NULL, received_at REAL NOT NULL,
    topic TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (position, place));
"""


def is_there(path: Path) -> bool:
    """Whether there is a state file.

    Raises:
        StateError: if that cannot be told.
    """
    try:
        return path.exists()
    except OSError as error:
        raise unusable(path.parent, error) from error


def require_file(path: Path) -> None:
    """Raise StateError unless there is a state file."""
    if not is_there(path):
        raise _nothing_at(path)


def open_to_read(path: Path, disk: Disk) -> sqlite3.Connection:
    """Open a file beside the daemon that writes it; all that is read comes from one moment.

    Raises:
        StateError: if there is none, it was emptied, or another version wrote it.
    """
    if disk.size(path) is None and not disk.size(_log_of(path)):
        raise _nothing_at(path)
    _require_content(path, disk)
    db = connect(path, "ro")
    # Held until the file is closed.
    db.execute("BEGIN")
    return _checked(db, path)


def open_to_write(path: Path, disk: Disk, durability: Durability) -> sqlite3.Connection:
    """Open a file; made where there is none, and rescued where it is damaged.

    Raises:
        StateError: if it was emptied, is damaged beyond rescue, or another version wrote it.
    """
    _require_content(path, disk)
    if disk.size(path) is None:
        _create(path, disk)
    try:
        db = _checked(_connect(path, disk, durability), path)
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found == "ok":
            return db
        db.close()
        # The last line says what, the one before in which database.
        fault: Exception = StateError(found.splitlines()[-1])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not is_damage(error):
            raise
        fault = error
    repair(path, lambda new: _empty(new, disk), fault)
    return _connect(path, disk, durability)


def unusable(folder: Path, error: OSError) -> StateError:
    """What to tell of a folder that the operating system does not let us use."""
    return StateError(
        f"The state folder {folder} cannot be used: {error.strerror}.", "Check `state.path` and its permissions."
    )


def _nothing_at(path: Path) -> StateError:
    return StateError(f"There is no state in {path.parent}.", "Run the daemon first, or check `state.path`.")


def failure(path: Path, error: Exception) -> StateError:
    """What to tell of an error of SQLite's."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return DiskFullError(
            f"The state file {path} cannot be written: {error}.", "Make room on its disk; it then goes on by itself."
        )
    if not is_damage(error):
        return StateError(
            f"The state file {path} cannot be used: {error}.",
            "Check that the disk has room, is writable and is not failing.",
        )
    return StateError(
        f"The state file {path} is damaged: {error}.", "The daemon rescues what it can at its next start."
    )


def _log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


def _require_content(path: Path, disk: Disk) -> None:
    """Refuse a file that was emptied, and a log without its file: to SQLite both are new, and it deletes the log."""
    size = disk.size(path)
    if size == 0 or (size is None and disk.size(_log_of(path))):
        raise StateError(
            f"The state file {path} is {'missing, though its log is there' if size is None else 'empty'}: damaged.",
            "Restore the folder from a backup, or give `state.path` a new folder to begin with nothing.",
        )


def _checked(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """The connection, unless another version wrote the file."""
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        db.close()
        raise
    if version != SCHEMA:
        db.close()
        raise StateError(
            f"The state file {path} has version {version}; this version reads {SCHEMA}.",
            "Run the version of EdgeDescent that wrote it, or give `state.path` a new folder.",
        )
    return db


def _create(path: Path, disk: Disk) -> None:
    """Make a new file, whole and synced before it has its name: an empty one is then never a new one."""
    new = path.with_name(f"{path.name}.new")
    # What is left of an attempt that was cut off.
    disk.remove(new)
    disk.remove(Path(f"{new}-journal"))
    _empty(new, disk).close()
    disk.rename(new, path)


def _empty(path: Path, disk: Disk) -> sqlite3.Connection:
    """A new file, open; a commit to it is in the file, not in a log beside it."""
    db = disk.open_database(path)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(
            f"BEGIN;{_TABLES}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA};COMMIT;"
        )
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, disk: Disk, durability: Durability) -> sqlite3.Connection:
    db = disk.open_database(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        db.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_MAX}")
        # Debian's SQLite writes zeros over what is deleted, which doubles what a journal of constant size writes.
        db.execute("PRAGMA secure_delete = OFF")
        if durability == "power":
            # To read makes a new log. SQLite would sync the folder for it too, but goes on where that fails.
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()
            disk.sync_folders_above(path)
    except BaseException:
        db.close()
        raise
    return db
