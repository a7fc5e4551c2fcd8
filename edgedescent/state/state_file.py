"""The SQLite file that holds the state: creation, opening, checks, and the start of a repair."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

from edgedescent.errors import DiskFullError, StateError
from edgedescent.state.disk import Disk
from edgedescent.state.meta_table import MetaTable
from edgedescent.state.repair import PAGE_BYTES, connect, install_repaired, is_damage, repair

log = logging.getLogger(__name__)

APPLICATION_ID = 0x45444753
SCHEMA = 4
_VERSION = "version"
"""Key of the record of the schema version."""
_TABLES_DAMAGED = "the description of its tables has changed"
_REPAIRED_HINT = "The daemon repairs what it can at its next start."
Durability = Literal["power", "process"]

_WAL_PAGES = 4000
"""Number of pages at which SQLite moves its write-ahead log (WAL) into the file.

The rarer it does so, the fewer pages it moves more than once. Up to 4062 pages, the index of the WAL stays at its
initial size; on a full disk it could not grow.
"""
_WAL_PAGES_OF_PIECES = 1000
"""The same while a large checkpoint is written. Its pages are moved once in any case, and more of them take longer."""
_WAL_BYTES_MAX = 67_108_864
"""Size to which SQLite truncates a WAL that a long-running reader made grow further."""
_CACHE_KIB = 512
"""Size of SQLite's page cache. Almost nothing is read twice."""
_FILLER = "INSERT INTO spare VALUES (zeroblob({}));"
# A disk usually loses pieces of 4096 bytes, which are four pages. Filler rows separate the root pages of the tables, so
# that no piece holds two of them. The first piece then holds nothing but what every state file has.
_PARTS = "CREATE TABLE IF NOT EXISTS parts (id INTEGER PRIMARY KEY, data BLOB);"
_TABLES = " ".join(
    f"""
CREATE TABLE spare (data);
{_FILLER.format(2140)}
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
{_FILLER.format(3160)}
CREATE TABLE journal (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, received_at REAL NOT NULL, crc INTEGER NOT NULL,
    data BLOB NOT NULL);
{_FILLER.format(3160)}
CREATE TABLE checkpoints (position INTEGER PRIMARY KEY, created_at REAL NOT NULL, data BLOB NOT NULL);
{_FILLER.format(3160)}
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, place INTEGER NOT NULL, received_at REAL NOT NULL,
    topic TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL,
    UNIQUE (position, place));
{_FILLER.format(3160)}
{_PARTS}
""".split()
)


def state_exists(path: Path) -> bool:
    """True if there is a state file.

    Raises:
        StateError: If the folder cannot be accessed.
    """
    try:
        # Not `exists`, which from Python 3.14 on is also false for a folder that is closed.
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise folder_error(path.parent, error) from error
    return True


def require_file(path: Path) -> None:
    """Raise StateError if there is no state file."""
    if not state_exists(path):
        raise _no_state_error(path)


def open_to_read(path: Path, disk: Disk) -> sqlite3.Connection:
    """Open a state file for reading, possibly beside the daemon that writes it.

    Args:
        path: The state file.
        disk: The file system.

    Returns:
        A connection on which everything that is read comes from one moment.

    Raises:
        StateError: If there is no file, it was emptied, or another version wrote it.
    """
    if disk.size(path) is None and not disk.size(_wal_of(path)):
        raise _no_state_error(path)
    _require_content(path, disk)
    db = connect(path, "ro")
    # This transaction lasts until the connection is closed and fixes the moment.
    db.execute("BEGIN")
    _require_schema(db, path)
    if not _has_tables(db):
        db.close()
        raise StateError(f"The state file {path} is damaged: {_TABLES_DAMAGED}.", _REPAIRED_HINT)
    return db


def open_to_write(path: Path, disk: Disk, durability: Durability, note: Path) -> sqlite3.Connection:
    """Open a state file for writing. Creates it if it is missing, and repairs it if it is damaged.

    Args:
        path: The state file.
        disk: The file system.
        durability: As in `Store`.
        note: The file that notes its last position, which says that there was a state file.

    Returns:
        The connection.

    Raises:
        StateError: If the file was emptied or removed, is damaged beyond repair, or another version wrote it.
    """
    if durability == "power":
        # Pages of the WAL that an earlier process failed to sync look as if they were on the disk. New commits are
        # written behind them and would be lost together with them.
        disk.rewrite(_wal_of(path))
    install_repaired(path)
    _require_whole(path, note, disk)
    _require_content(path, disk)
    if disk.size(path) is None:
        _create(path, disk)
    try:
        db = _require_schema(_connect(path, disk, durability), path)
        found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found == "ok" and not _has_tables(db):
            found = _TABLES_DAMAGED
        if found == "ok":
            db.execute(f"PRAGMA user_version = {SCHEMA}")
            return db
        db.close()
        # The last line names the fault, the one before it the database.
        fault: Exception = StateError(found.splitlines()[-1])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not (is_damage(error) or _is_marked_read_only(path, error)):
            raise
        fault = error
    repair(path, lambda new: _create_empty(new, disk), fault, tables_damaged=str(fault) == _TABLES_DAMAGED)
    return _connect(path, disk, durability)


def _is_marked_read_only(path: Path, error: Exception) -> bool:
    """True if a damaged header says that the file is of a later version of SQLite, which this one must not write."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_READONLY:
        return False
    with path.open("rb") as file:
        # SQLite file format, section 1.3.3: 1 or 2.
        return file.read(19)[18:] > b"\x02"


def move_log_often(db: sqlite3.Connection, *, often: bool) -> None:
    """Let SQLite move its log into the file in shorter steps, as long as a large checkpoint is written."""
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_OF_PIECES if often else _WAL_PAGES}")


def folder_error(folder: Path, error: OSError) -> StateError:
    """StateError for a state folder that the operating system refuses access to."""
    return StateError(
        f"The state folder {folder} cannot be used: {error.strerror}.", "Check `state.path` and its permissions."
    )


def _no_state_error(path: Path) -> StateError:
    """StateError for a folder without a state file."""
    return StateError(f"There is no state in {path.parent}.", "Run the daemon first, or check `state.path`.")


def sqlite_error(path: Path, error: Exception) -> StateError:
    """StateError for an error that SQLite reports."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
        return DiskFullError(
            f"The state file {path} cannot be written: {error}.",
            "Free space on its disk; the daemon then continues by itself.",
        )
    if not is_damage(error):
        return StateError(
            f"The state file {path} cannot be used: {error}.",
            "Check that the disk has free space, is writable and is not failing.",
        )
    return StateError(f"The state file {path} is damaged: {error}.", _REPAIRED_HINT)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Raise errors of SQLite as StateError, and those of its messages, which may quote damaged text."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise sqlite_error(path, error) from error


def row_of(db: sqlite3.Connection, statement: str, key: int) -> tuple[Any, ...]:
    """Row of a key that was read from the same table; in a damaged table it may not be found again.

    Raises:
        StateError: If there is none.
    """
    row: tuple[Any, ...] | None = db.execute(statement, (key,)).fetchone()
    if row is None:
        raise StateError(f"The table has no row for message {key}, which it lists: it is damaged.")
    return row


def _wal_of(path: Path) -> Path:
    """Path of the write-ahead log of an SQLite file."""
    return Path(f"{path}-wal")


def _require_content(path: Path, disk: Disk) -> None:
    """Raise StateError for an emptied file, or a WAL without its file.

    SQLite would take both for a new database and delete the WAL.
    """
    size = disk.size(path)
    if size == 0 or (size is None and disk.size(_wal_of(path))):
        raise _lost_error(path, "missing, though its log is there" if size is None else "empty")


def _require_whole(path: Path, note: Path, disk: Disk) -> None:
    """Raise StateError if the state file is gone, though the note of its last position is there.

    A new state would otherwise begin without a word.
    """
    if disk.size(path) is None and disk.size(note) is not None:
        raise _lost_error(path, f"missing, though {note.name} is there")


def _lost_error(path: Path, what: str) -> StateError:
    """StateError for a state file that was lost."""
    return StateError(
        f"The state file {path} is {what}: damaged.",
        "Restore the folder from a backup, or set `state.path` to a new folder to start without a state.",
    )


def _require_schema(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return the connection if the file has the expected schema version; else close it and raise StateError.

    The version is also a record, because no checksum covers the one in the header.
    """
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        is_damaged = version != SCHEMA and MetaTable(db, path).get(_VERSION, "version") == str(SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    if is_damaged:
        log.error("The header of the state file %s is damaged: it has version %d instead of %d.", path, version, SCHEMA)
    elif version != SCHEMA:
        db.close()
        raise StateError(
            f"The state file {path} has version {version}; this version reads {SCHEMA}.",
            "Run the version of EdgeDescent that wrote it, or set `state.path` to a new folder.",
        )
    return db


def _has_tables(db: sqlite3.Connection) -> bool:
    """True if the file describes its tables as they are: SQLite takes damage of that text for another table."""
    return _description(db) == _expected_description()


@cache
def _expected_description() -> list[Any]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_TABLES)
        return _description(db)


def _description(db: sqlite3.Connection) -> list[Any]:
    return db.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def _create(path: Path, disk: Disk) -> None:
    """Create a state file, complete and synced before it gets its name: an empty file is then always a damaged one."""
    new = path.with_name(f"{path.name}.new")
    # These may be left from an attempt that was interrupted.
    disk.remove(new)
    disk.remove(Path(f"{new}-journal"))
    _create_empty(new, disk).close()
    disk.rename(new, path)


def _create_empty(path: Path, disk: Disk) -> sqlite3.Connection:
    """Create an empty state file and return its connection, which writes commits into the file without a WAL."""
    db = disk.open_database(path)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA};")
        MetaTable(db, path).set(_VERSION, str(SCHEMA))
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _connect(path: Path, disk: Disk, durability: Durability) -> sqlite3.Connection:
    """Open an existing state file for writing, with the settings of the daemon."""
    db = disk.open_database(path)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_MAX}")
        # Debian's SQLite overwrites deleted rows with zeros, which would double what a journal of constant size writes.
        db.execute("PRAGMA secure_delete = OFF")
        if durability == "power":
            # Reading creates a new WAL. SQLite syncs the folder for it too, but ignores a failure.
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()
            disk.sync_folders_above(path)
    except BaseException:
        db.close()
        raise
    return db
