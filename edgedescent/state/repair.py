"""Repair of a damaged state file: its readable rows are copied to a new file, and the damaged one is kept beside it.

After a power cut during a repair, either the damaged file is still in place, or a complete new file waits to replace
it (`install_repaired`).
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state import codec
from edgedescent.state.checkpoints import read_parts
from edgedescent.state.dead_letter_table import row_checksum
from edgedescent.state.files import sync_folder
from edgedescent.state.journal_block import unpack

log = logging.getLogger(__name__)

PAGE_BYTES = 1024
"""Page size of the state file. A commit changes a few pages; the smaller they are, the less is written."""
# Key and copied columns of each table. The casts are there because a damaged cell may hold a value of another type.
_TABLES = {
    "meta": ("key", "key, value"),
    "parts": ("id", "id, CAST(data AS BLOB)"),
    "checkpoints": ("position", "position, CAST(created_at AS REAL), CAST(data AS BLOB)"),
    "journal": (
        "first",
        "first, CAST(last AS INTEGER), CAST(received_at AS REAL), CAST(crc AS INTEGER), CAST(data AS BLOB)",
    ),
    "dead_letters": (
        "id",
        """id, CAST(position AS INTEGER), CAST(place AS INTEGER), CAST(received_at AS REAL),
        CAST(topic AS TEXT), CAST(reason AS TEXT), CAST(error AS TEXT), CAST(payload AS BLOB),
        CAST(crc AS INTEGER)""",
    ),
}


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open an SQLite file.

    Args:
        path: The file.
        mode: ``ro``, ``rw`` or ``rwc``, as in SQLite's URIs.

    Raises:
        sqlite3.Error: If it cannot be opened.
    """
    # `as_uri` quotes the path: a `#` or `?` in it would otherwise end it.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10.0)
    # Damaged text must not stop the reading.
    db.text_factory = _as_text
    return db


def _as_text(data: bytes) -> str:
    return data.decode(errors="replace")


def is_damage(error: Exception) -> bool:
    """True if an error is caused by the content of the file, not by the disk, its free space or permissions."""
    # Decoding the message of an error fails in `sqlite3` if the message quotes damaged text.
    return isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _ENVIRONMENT_CODES
    )


# SQLite's result codes for faults that are not in the content of the file.
_ENVIRONMENT_CODES = (
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_TOOBIG,
)


def repair(
    path: Path, create: Callable[[Path], sqlite3.Connection], fault: Exception, *, tables_damaged: bool = False
) -> None:
    """Replace a damaged state file by a new one with its readable rows.

    Args:
        path: The damaged file.
        create: Creates an empty state file.
        fault: The fault that was found.
        tables_damaged: True if it is one of the description of the tables, on the first page.

    Raises:
        StateError: If no checkpoint and no message is readable. The file is then unchanged.
    """
    new = path.with_name(f"{path.name}.repairing")
    patched = path.with_name(f"{path.name}.patched")
    try:
        rows = _copy_readable(path, new, create)
        if tables_damaged or not (rows["checkpoints"] or rows["journal"]):
            # Without its first page SQLite finds nothing in the file; but that page is the same in every state file.
            _patch_first_page(path, patched, new)
            rows = _copy_readable(patched, new, create)
    finally:
        _remove(patched)
    if not (rows["checkpoints"] or rows["journal"]):
        _remove(new)
        raise StateError(
            f"The state file {path} is damaged beyond repair: {fault}.",
            "Restore it from a backup, or move it away to start without a state.",
        )
    new.rename(_repaired(path))
    kept = install_repaired(path)
    counts = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in rows.items())
    log.error("The state file was damaged (%s) and has been repaired; rows kept: %s.", fault, counts)
    log.error("The damaged state file is kept as %s.", kept)


def install_repaired(path: Path) -> Path | None:
    """Replace a damaged state file by its complete repaired copy, if there is one.

    Returns:
        The new path of the damaged file; None if no repaired copy was waiting.
    """
    repaired = _repaired(path)
    if not repaired.exists():
        return None
    kept = next(_free_names(path))
    # The WAL is moved first: applied to the new file, it would destroy it.
    for suffix in ("-wal", ""):
        damaged = Path(f"{path}{suffix}")
        if damaged.exists():
            damaged.rename(f"{kept}{suffix}")
    for name in (path, kept):
        Path(f"{name}-shm").unlink(missing_ok=True)
    repaired.rename(path)
    sync_folder(path.parent)
    return kept


def _copy_readable(old_path: Path, new_path: Path, create: Callable[[Path], sqlite3.Connection]) -> dict[str, int]:
    """Create a new file with the readable rows of an old one; returns the number of rows by table."""
    _remove(new_path)
    old, new = connect(old_path, "ro"), create(new_path)
    try:
        # This setting also makes a truncated file readable.
        old.execute("PRAGMA writable_schema = ON")
        new.execute("BEGIN")
        rows = {table: _copy_table(old, new, table) for table in _TABLES}
        new.execute("COMMIT")
    finally:
        old.close()
        new.close()
    return rows


def _patch_first_page(path: Path, patched: Path, empty: Path) -> None:
    """Copy a damaged file, with its first page taken from an empty state file."""
    _remove(patched)
    for suffix in ("", "-wal"):
        damaged = Path(f"{path}{suffix}")
        if damaged.exists():
            shutil.copyfile(damaged, f"{patched}{suffix}")
    page = bytearray(empty.read_bytes()[:PAGE_BYTES])
    # The number of pages, and no free pages (SQLite file format, section 1.3).
    page[28:40] = (path.stat().st_size // PAGE_BYTES).to_bytes(4, "big") + bytes(8)
    with patched.open("r+b") as file:
        file.write(page)


def _remove(path: Path) -> None:
    """Delete an SQLite file and the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _repaired(path: Path) -> Path:
    """Name under which a complete repaired file waits."""
    return path.with_name(f"{path.name}.repaired")


def _free_names(path: Path) -> Iterator[Path]:
    """Unused names for a damaged file."""
    number = 0
    while True:
        number += 1
        name = path.with_name(f"{path.name}.damaged-{number}")
        if not name.exists():
            yield name


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy the readable and undamaged rows of a table; returns their number."""
    key, columns = _TABLES[table]
    copied = lost = 0
    for value in _keys(old, table, key):
        try:
            row = old.execute(f"SELECT {columns} FROM {table} WHERE {key} = ?", (value,)).fetchone()  # noqa: S608
            if row is None:
                raise StateError("There is no row with this key.")
            if table == "checkpoints":
                codec.decode(row[2], lambda first, count: read_parts(new, first, count), row[0])
            elif table == "journal":
                unpack(row[0], row[1], row[3], row[4])
            elif table == "dead_letters" and row[5] and row_checksum(row[1:-1]) != row[-1]:
                raise StateError("Its checksum does not match.")
            # The record of the version is there already.
            insert = "INSERT OR REPLACE" if table == "meta" else "INSERT"
            new.execute(f"{insert} INTO {table} VALUES ({', '.join('?' * len(row))})", row)
            copied += 1
        except (sqlite3.Error, StateError) as error:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise
            lost += 1
            log.debug("The row %r of the table %s is lost: %s", value, table, error)
    if lost:
        log.error("%d damaged rows of the table %s are lost.", lost, table)
    return copied


def _keys(db: sqlite3.Connection, table: str, key: str) -> list[object]:
    """Keys of a table that are reachable from either end, in order: damage in the middle stops a scan."""
    found: dict[str, list[object]] = {"ASC": [], "DESC": []}
    for order, keys in found.items():
        try:
            rows = db.execute(f"SELECT {key} FROM {table} ORDER BY {key} {order}")  # noqa: S608 - constants only
            while (row := rows.fetchone()) is not None:
                keys.append(row[0])
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            log.debug("Reading the damaged table %s ended after %d rows: %s.", table, len(keys), error)
    return list(dict.fromkeys([*found["ASC"], *reversed(found["DESC"])]))
