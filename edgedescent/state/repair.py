"""What can still be read of a damaged state file becomes a new one; the damaged one is kept beside it.

A power cut in the middle of this leaves the damaged file in its place, or a finished new one that waits to take it.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from edgedescent.errors import StateError
from edgedescent.state import codec
from edgedescent.state.files import sync_folder
from edgedescent.state.journal_block import unpack

log = logging.getLogger(__name__)

PAGE_BYTES = 1024
"""Of the state file. A commit changes a few places in pages of their own: the smaller these, the less is written."""
# The key of each table and what is carried over of it. A damaged cell may hold a value of another type.
_TABLES = {
    "meta": ("key", "key, value"),
    "checkpoints": ("position", "position, CAST(created_at AS REAL), CAST(data AS BLOB)"),
    "journal": (
        "first",
        "first, CAST(last AS INTEGER), CAST(received_at AS REAL), CAST(crc AS INTEGER), CAST(data AS BLOB)",
    ),
    "dead_letters": (
        "id",
        """id, CAST(position AS INTEGER), CAST(place AS INTEGER), CAST(received_at AS REAL),
        CAST(topic AS TEXT), CAST(reason AS TEXT), CAST(error AS TEXT), CAST(payload AS BLOB)""",
    ),
}


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open an SQLite file; `mode` is ``ro``, ``rw`` or ``rwc``."""
    # As a URI the path is quoted: a `#` or `?` in it would otherwise end it.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=10.0)
    # Damaged text is to be seen, not to stop the reading.
    db.text_factory = _as_text
    return db


def _as_text(data: bytes) -> str:
    return data.decode(errors="replace")


def is_damage(error: Exception) -> bool:
    """Whether an error is about the content of the file, not about the disk, its room or its permissions."""
    # sqlite3 fails to decode the message of an error that quotes damaged text.
    return isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF not in _SURROUNDINGS
    )


# The codes of SQLite for what is wrong around the file.
_SURROUNDINGS = (
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


def repair(path: Path, create: Callable[[Path], sqlite3.Connection], fault: Exception) -> None:
    """Put what is readable of the file at `path` into a new one in its place.

    Args:
        path: of the damaged file.
        create: makes an empty state file.
        fault: what was found to be wrong.

    Raises:
        StateError: if no checkpoint and no message is readable; the file then stays where it is.
    """
    rescuing = path.with_name(f"{path.name}.rescuing")
    repaired = path.with_name(f"{path.name}.repaired")
    try:
        rescued = _rescue(path, rescuing, create)
        if not (rescued["checkpoints"] or rescued["journal"]):
            # Without its first page nothing of it can be found; but that page is the same in every state file.
            _repair(path, repaired, rescuing)
            rescued = _rescue(repaired, rescuing, create)
    finally:
        _remove(repaired)
    if not (rescued["checkpoints"] or rescued["journal"]):
        _remove(rescuing)
        raise StateError(
            f"The state file {path} is damaged beyond rescue: {fault}.",
            "Restore it from a backup, or move it away to begin with nothing.",
        )
    rescuing.rename(_finished(path))
    kept = finish(path)
    counts = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in rescued.items())
    log.error("The state file was damaged (%s). It is kept as %s; rescued from it: %s.", fault, kept, counts)


def finish(path: Path) -> Path | None:
    """Let a rescued file that is complete take its place; returns where the damaged one is kept."""
    rescued = _finished(path)
    if not rescued.exists():
        return None
    kept = next(_free_names(path))
    # The log first: applied to the new file, it would destroy it.
    for suffix in ("-wal", ""):
        damaged = Path(f"{path}{suffix}")
        if damaged.exists():
            damaged.rename(f"{kept}{suffix}")
    for name in (path, kept):
        Path(f"{name}-shm").unlink(missing_ok=True)
    rescued.rename(path)
    sync_folder(path.parent)
    return kept


def _rescue(old_path: Path, new_path: Path, create: Callable[[Path], sqlite3.Connection]) -> dict[str, int]:
    """Make a new file of what is readable of an old one; returns how many rows of each table were."""
    _remove(new_path)
    old, new = connect(old_path, "ro"), create(new_path)
    try:
        # Also lets a file be read that was cut short.
        old.execute("PRAGMA writable_schema = ON")
        new.execute("BEGIN")
        rescued = {table: _copy(old, new, table) for table in _TABLES}
        new.execute("COMMIT")
    finally:
        old.close()
        new.close()
    return rescued


def _repair(path: Path, repaired: Path, fresh: Path) -> None:
    """Copy a damaged file, with the first page of a fresh one."""
    _remove(repaired)
    for suffix in ("", "-wal"):
        damaged = Path(f"{path}{suffix}")
        if damaged.exists():
            shutil.copyfile(damaged, f"{repaired}{suffix}")
    page = bytearray(fresh.read_bytes()[:PAGE_BYTES])
    # The count of pages, and no free ones (SQLite file format, section 1.3).
    page[28:40] = (path.stat().st_size // PAGE_BYTES).to_bytes(4, "big") + bytes(8)
    with repaired.open("r+b") as file:
        file.write(page)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _finished(path: Path) -> Path:
    return path.with_name(f"{path.name}.rescued")


def _free_names(path: Path) -> Iterator[Path]:
    number = 0
    while True:
        number += 1
        name = path.with_name(f"{path.name}.damaged-{number}")
        if not name.exists():
            yield name


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy the rows that are readable and whole; returns how many."""
    key, columns = _TABLES[table]
    copied = lost = 0
    for value in _keys(old, table, key):
        try:
            row = old.execute(f"SELECT {columns} FROM {table} WHERE {key} = ?", (value,)).fetchone()  # noqa: S608
            if row is None:
                raise StateError("The row is not where its key says.")
            if table == "checkpoints":
                codec.decode(row[2])
            elif table == "journal":
                unpack(row[0], row[1], row[3], row[4])
            new.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            copied += 1
        except (sqlite3.Error, StateError) as error:
            if isinstance(error, sqlite3.Error) and not is_damage(error):
                raise
            lost += 1
            log.debug("%s %r is lost: %s", table, value, error)
    if lost:
        log.error("%d rows of %s are lost.", lost, table)
    return copied


def _keys(db: sqlite3.Connection, table: str, key: str) -> list[object]:
    """The keys that can be reached from either end of a table, in order: damage in the middle ends both ways."""
    found: dict[str, list[object]] = {"ASC": [], "DESC": []}
    for order, keys in found.items():
        try:
            rows = db.execute(f"SELECT {key} FROM {table} ORDER BY {key} {order}")  # noqa: S608 - our own words
            while (row := rows.fetchone()) is not None:
                keys.append(row[0])
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if not is_damage(error):
                raise
            log.debug("Reading the damaged %s ended after %d rows: %s.", table, len(keys), error)
    return list(dict.fromkeys([*found["ASC"], *reversed(found["DESC"])]))
