"""Journal, checkpoints and dead letters: one SQLite file in the state folder.

The journal holds every message that was received, before the broker may forget it; a checkpoint holds the engine's
whole state at a place in the journal. Both are kept in generations: whatever the older checkpoint needs stays in the
journal, so that one damaged checkpoint costs nothing.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgedescent import codec
from edgedescent.errors import StateError
from edgedescent.messages import DeadLetter, Message

log = logging.getLogger(__name__)

FILE = "edgedescent.db"
CHECKPOINTS_KEPT = 2
_APPLICATION_ID = 0x45444753
_SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (position INTEGER PRIMARY KEY, created_at REAL NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, place INTEGER NOT NULL, received_at REAL NOT NULL,
    topic TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (position, place));
"""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[float, str, bytes]]).decode


class Checkpoint(msgspec.Struct, frozen=True):
    """The engine's state once it had handled the message at `position`."""

    position: int
    created_at: float
    state: dict[str, Any]


class Store:
    """The state file of one daemon.

    Args:
        folder: the state folder; created if it is missing, readable by its owner only.
        durability: ``"power"`` syncs every commit to the disk, ``"process"`` leaves that to the operating system: it
            survives kill -9, and may lose the last commits in a power cut.
        journal_bytes_max: how much of the journal to keep beyond what recovery needs.
        dead_letters_max: how many dead letters to keep; the oldest make room.
        read_only: open an existing file beside the daemon that writes it.

    Raises:
        StateError: if the file cannot be opened, is damaged beyond use, or a newer version wrote it.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        durability: Literal["power", "process"] = "power",
        journal_bytes_max: int = 268_435_456,
        dead_letters_max: int = 10_000,
        read_only: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        self._journal_bytes_max = journal_bytes_max
        self._dead_letters_max = dead_letters_max
        self._letters: list[DeadLetter] = []
        if read_only and not self.path.exists():
            raise StateError(f"There is no state in {self.folder}.", "Run the daemon first, or check `state.path`.")
        try:
            if not read_only:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = self._open(durability, read_only=read_only)
        except OSError as error:
            raise StateError(f"The state folder {self.folder} cannot be used: {error.strerror}.") from error
        except sqlite3.OperationalError as error:
            raise StateError(f"The state file {self.path} cannot be opened: {error}.") from error
        except sqlite3.DatabaseError as error:
            if read_only:
                raise StateError(f"The state file {self.path} is damaged: {error}.") from error
            self._salvage(error)
            self._db = self._open(durability, read_only=False)
        self.last_position, self._journal_bytes = self._journal_end()

    # --- The journal ----------------------------------------------------------------------------------------------

    def append(self, received: Sequence[tuple[float, str, bytes]], answered: int) -> list[Message]:
        """Make messages durable in one transaction; returns them with their positions.

        Args:
            received: time, topic and payload of each.
            answered: up to which position the answers have been published, for recovery.
        """
        first = self.last_position + 1
        messages = [Message(first + i, *parts) for i, parts in enumerate(received)]
        data = zlib.compress(_pack(received), 1)
        with self._transaction():
            self._db.execute(
                "INSERT INTO journal VALUES (?, ?, ?, ?)", (first, first + len(messages) - 1, zlib.crc32(data), data)
            )
            self._set("answered", answered)
            self._write_letters()
        self.last_position = messages[-1].position
        self._journal_bytes += len(data)
        return messages

    def read(self, after: int, up_to: int | None = None) -> Iterator[Message]:
        """The readable messages behind a position, in order; where some are missing, the positions show it."""
        rows = self._db.execute(
            "SELECT first, last FROM journal WHERE last > ? AND first <= ? ORDER BY first",
            (after, self.last_position if up_to is None else up_to),
        ).fetchall()
        for first, last in rows:
            try:
                crc, data = self._db.execute("SELECT crc, data FROM journal WHERE first = ?", (first,)).fetchone()
            except sqlite3.DatabaseError as error:
                log.error("The journal cannot be read at messages %d to %d: %s", first, last, error)
                continue
            if zlib.crc32(data) != crc:
                log.error("The journal is damaged at messages %d to %d: its checksum does not match.", first, last)
                continue
            for position, parts in enumerate(_unpack(zlib.decompress(data)), start=first):
                if position > after and (up_to is None or position <= up_to):
                    yield Message(position, *parts)

    def first_of_last(self, count: int, up_to: int) -> int:
        """The position before which the newest blocks with at least `count` messages up to `up_to` begin."""
        row = self._db.execute("SELECT max(first) FROM journal WHERE first <= ?", (max(up_to - count + 1, 1),)).fetchone()
        oldest = self._db.execute("SELECT min(first) FROM journal").fetchone()[0]
        first = row[0] if row[0] is not None else oldest
        return up_to if first is None else int(first) - 1

    @property
    def answered(self) -> int:
        """Up to which position the answers are known to have been published."""
        return int(self._get("answered", 0))

    # --- Checkpoints ----------------------------------------------------------------------------------------------

    def checkpoint(self, state: dict[str, Any], position: int, created_at: float, learner: dict[str, Any]) -> int:
        """Save the engine's state; returns its size in bytes. Trims what recovery no longer needs."""
        data = codec.encode(state)
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (position, created_at, data))
            self._db.execute(
                "DELETE FROM checkpoints WHERE position NOT IN "
                "(SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?)",
                (CHECKPOINTS_KEPT,),
            )
            self._set("learner", json.dumps(learner, sort_keys=True))
            self._write_letters()
            self._trim_journal()
        return len(data)

    def checkpoints(self) -> Iterator[Checkpoint]:
        """The good checkpoints, newest first; a damaged one is reported and passed over."""
        positions = self._db.execute("SELECT position FROM checkpoints ORDER BY position DESC").fetchall()
        for (position,) in positions:
            try:
                row = self._db.execute(
                    "SELECT created_at, data FROM checkpoints WHERE position = ?", (position,)
                ).fetchone()
                if row is not None:
                    yield Checkpoint(position, row[0], codec.decode(row[1]))
            except (StateError, sqlite3.DatabaseError) as error:
                log.error("The checkpoint at message %d is not usable: %s Using an older one.", position, error)

    @property
    def learner(self) -> dict[str, Any] | None:
        """The configuration of the learner that wrote the checkpoints; None before the first."""
        text = self._get("learner", None)
        return None if text is None else dict(json.loads(text))

    # --- Dead letters ---------------------------------------------------------------------------------------------

    def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; it is written with the next transaction, and again by recovery if that never comes."""
        self._letters.append(letter)

    def dead_letters(self, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
        """The newest dead letters, newest first."""
        rows = self._db.execute(
            "SELECT position, place, received_at, topic, reason, error, payload FROM dead_letters "
            "WHERE ?1 IS NULL OR reason = ?1 ORDER BY id DESC LIMIT ?2",
            (reason, limit),
        )
        return [DeadLetter(*row) for row in rows]

    def _write_letters(self) -> None:
        if not self._letters:
            return
        self._db.executemany(
            "INSERT OR IGNORE INTO dead_letters (position, place, received_at, topic, reason, error, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [msgspec.structs.astuple(letter) for letter in self._letters],
        )
        self._db.execute(
            "DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?", (self._dead_letters_max,)
        )
        self._letters.clear()

    # --- Inside ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits for the next transaction."""
        if self._letters:
            with self._transaction():
                self._write_letters()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        self._db.close()

    def _open(self, durability: str, *, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        if not read_only and not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        db = sqlite3.connect(f"file:{self.path}?mode={mode}", uri=True, isolation_level=None, timeout=10.0)
        try:
            if not read_only:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
                db.execute("PRAGMA journal_size_limit = 67108864")
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                db.executescript(_TABLES)
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > _SCHEMA:
                raise StateError(
                    f"The state file {self.path} has version {version}; this version reads {_SCHEMA}.",
                    "Run the version of EdgeDescent that wrote it.",
                )
            if not read_only:
                db.execute(f"PRAGMA user_version = {_SCHEMA}")
            db.execute("SELECT count(*) FROM checkpoints").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def _journal_end(self) -> tuple[int, int]:
        try:
            last, size = self._db.execute("SELECT max(last), sum(length(data)) FROM journal").fetchone()
            newest = self._db.execute("SELECT max(position) FROM checkpoints").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise StateError(f"The state file {self.path} is damaged: {error}.") from error
        return max(last or 0, newest or 0), size or 0

    def _trim_journal(self) -> None:
        """Drop the oldest blocks above the size limit, but none that the oldest kept checkpoint needs."""
        needed = self._db.execute("SELECT min(position) FROM checkpoints").fetchone()[0]
        while self._journal_bytes > self._journal_bytes_max:
            row = self._db.execute(
                "SELECT first, length(data) FROM journal WHERE last <= ? ORDER BY first LIMIT 1", (needed,)
            ).fetchone()
            if row is None:
                return
            self._db.execute("DELETE FROM journal WHERE first = ?", (row[0],))
            self._journal_bytes -= row[1]

    def _get(self, key: str, default: Any) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _salvage(self, error: sqlite3.DatabaseError) -> None:
        """Put a damaged file aside and carry what is still readable into a new one."""
        aside = self.path.with_name(f"{FILE}.damaged-{int(time.time())}")
        for suffix in ("", "-wal"):
            damaged = Path(f"{self.path}{suffix}")
            if damaged.exists():
                damaged.rename(f"{aside}{suffix}")
        Path(f"{self.path}-shm").unlink(missing_ok=True)
        fresh = self._open("power", read_only=False)
        rescued = dict.fromkeys(("meta", "checkpoints", "journal", "dead_letters"), 0)
        old = sqlite3.connect(f"file:{aside}?mode=ro", uri=True)
        try:
            for table in rescued:
                rescued[table] = _copy_readable(old, fresh, table)
        finally:
            old.close()
            fresh.close()
        kept = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in rescued.items())
        log.error("The state file is damaged (%s). It was kept as %s; rescued from it: %s.", error, aside, kept)


class _Transaction:
    """BEGIN on entry; COMMIT on exit, or ROLLBACK after an exception."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _copy_readable(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> int:
    """Copy the rows that can be read; returns how many."""
    copied = 0
    try:
        rows = old.execute(f"SELECT * FROM {table}")  # noqa: S608 - the names are our own
        while (row := rows.fetchone()) is not None:
            fresh.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            copied += 1
    except sqlite3.DatabaseError as error:
        log.error("Reading %s from the damaged file ended after %d rows: %s", table, copied, error)
    return copied
