"""Journal, checkpoints and dead letters: one SQLite file in the state folder.

The journal holds every message that was received, before the broker may forget it; a checkpoint holds the engine's
whole state at a place in the journal. Both are kept in generations: whatever the older checkpoint needs stays in the
journal, so that one damaged checkpoint costs nothing.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgedescent import codec, journal_block
from edgedescent.disk import Disk
from edgedescent.errors import StateError
from edgedescent.messages import DeadLetter, Message
from edgedescent.salvage import connect, finish, is_damage, salvage

log = logging.getLogger(__name__)

FILE = "edgedescent.db"
CHECKPOINTS_KEPT = 2
_APPLICATION_ID = 0x45444753
_SCHEMA = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS checkpoints (position INTEGER PRIMARY KEY, created_at REAL NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, place INTEGER NOT NULL, received_at REAL NOT NULL,
    topic TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (position, place));
"""


def _sealed(learner: dict[str, Any]) -> str:
    """A learner's configuration with its checksum: a damaged one must not pass for another learner's."""
    text = json.dumps(learner, sort_keys=True)
    return f"{zlib.crc32(text.encode()):08x} {text}"


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
        read_only: open an existing file beside the daemon that writes it, as it is at this moment: what is written
            later is not seen.
        disk: where the file lies; the operating system's where it is not given.

    Every method raises StateError when the file cannot be read or written: the disk is full or failing. What was being
    written is then not in the file, and the store is of no further use.

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
        disk: Disk | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        self.read_only = read_only
        self._disk = disk or Disk()
        self._journal_bytes_max = journal_bytes_max
        self._dead_letters_max = dead_letters_max
        self._letters: deque[DeadLetter] = deque(maxlen=dead_letters_max)
        if read_only and not self.path.exists():
            raise StateError(f"There is no state in {self.folder}.", "Run the daemon first, or check `state.path`.")
        try:
            if not read_only:
                self._disk.make_folder(self.folder)
                if durability == "power":
                    # What an earlier life could not sync looks as if it were on the disk. New commits follow it in
                    # SQLite's log, and would be lost with it.
                    self._disk.rewrite(Path(f"{self.path}-wal"))
                finish(self.path)
            self._db = self._open_or_salvage(durability)
            self.last_position, self._journal_bytes = self._journal_end()
        except OSError as error:
            raise StateError(f"The state folder {self.folder} cannot be used: {error.strerror}.") from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._failure(error) from error

    # --- The journal ----------------------------------------------------------------------------------------------

    def append(self, received: Sequence[tuple[float, str, bytes]], answered: int) -> list[Message]:
        """Make messages durable in one transaction; returns them with their positions.

        Args:
            received: time, topic and payload of each.
            answered: up to which position the answers have been published, for recovery.
        """
        first = self.last_position + 1
        messages = [Message(first + i, *parts) for i, parts in enumerate(received)]
        last = messages[-1].position
        data = journal_block.pack(received)
        with self._transaction():
            crc = journal_block.checksum(first, last, data)
            self._db.execute("INSERT INTO journal VALUES (?, ?, ?, ?)", (first, last, crc, data))
            self._set("answered", answered)
        self.last_position = last
        self._journal_bytes += len(data)
        return messages

    def read(self, after: int, up_to: int | None = None) -> Iterator[Message]:
        """The readable messages behind a position, in order; where some are missing, the positions show it."""
        end = self.last_position if up_to is None else up_to
        with self._guarded():
            rows = self._db.execute(
                "SELECT first, last FROM journal WHERE last > ? AND first <= ? ORDER BY first", (after, end)
            ).fetchall()
        for first, last in rows:
            try:
                crc, data = self._db.execute("SELECT crc, data FROM journal WHERE first = ?", (first,)).fetchone()
                block = journal_block.unpack(first, last, crc, data)
            except sqlite3.DatabaseError as error:
                log.error("The journal cannot be read at messages %d to %d: %s.", first, last, error)
            except StateError as error:
                log.error("%s", error)
            else:
                for position, parts in enumerate(block, start=first):
                    if after < position <= end:
                        yield Message(position, *parts)

    def first_of_last(self, count: int, up_to: int) -> int:
        """The position before which the newest blocks with at least `count` messages up to `up_to` begin."""
        with self._guarded():
            first, oldest = self._db.execute(
                "SELECT (SELECT max(first) FROM journal WHERE first <= ?), (SELECT min(first) FROM journal)",
                (max(up_to - count + 1, 1),),
            ).fetchone()
        first = oldest if first is None else first
        return up_to if first is None else int(first) - 1

    def journal_extent(self) -> tuple[int, int, int, int]:
        """The first and last position, the number of blocks and their bytes; zeros where there is none."""
        with self._guarded():
            found = self._db.execute(
                "SELECT min(first), max(last), count(*), sum(length(data)) FROM journal"
            ).fetchone()
        first, last, blocks, size = (value or 0 for value in found)
        return first, last, blocks, size

    @property
    def answered(self) -> int:
        """Up to which position the answers are known to have been published."""
        value = self._get("answered")
        return value if isinstance(value, int) else 0

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
            self._set("learner", _sealed(learner))
            self._trim_journal()
        return len(data)

    def checkpoints(self) -> Iterator[Checkpoint]:
        """The good checkpoints, newest first; a damaged one is reported and passed over."""
        with self._guarded():
            positions = self._db.execute("SELECT position FROM checkpoints ORDER BY position DESC").fetchall()
        for (position,) in positions:
            try:
                created_at, data = self._db.execute(
                    "SELECT created_at, data FROM checkpoints WHERE position = ?", (position,)
                ).fetchone()
                checkpoint = Checkpoint(position, created_at, codec.decode(data))
            except (StateError, sqlite3.DatabaseError) as error:
                log.error("The checkpoint at message %d is not usable: %s", position, error)
            else:
                yield checkpoint

    @property
    def learner(self) -> dict[str, Any] | None:
        """The configuration of the learner whose state this is; None in a new folder."""
        text = self._get("learner")
        if text is None:
            return None
        _, _, written = str(text).partition(" ")
        with suppress(ValueError):
            learner: dict[str, Any] = json.loads(written)
            if _sealed(learner) == text:
                return learner
        log.error("The note in %s on whose state it is, is damaged.", self.path)
        return None

    def claim(self, learner: dict[str, Any]) -> None:
        """Say whose state this is, before the first message is journaled."""
        with self._transaction():
            self._set("learner", _sealed(learner))

    # --- Dead letters ---------------------------------------------------------------------------------------------

    def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; it is written with the next transaction, and again by recovery if that never comes."""
        self._letters.append(letter)

    def dead_letters(self, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
        """The newest dead letters, newest first; the empty rows of purged ones are left out."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT position, place, received_at, topic, reason, error, payload FROM dead_letters "
                "WHERE reason != '' AND (?1 IS NULL OR reason = ?1) ORDER BY position DESC, place DESC LIMIT ?2",
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
        # By position, not by age: recovery writes letters again that had made room before.
        self._db.execute(
            "DELETE FROM dead_letters WHERE (position, place) <= "
            "(SELECT position, place FROM dead_letters ORDER BY position DESC, place DESC LIMIT 1 OFFSET ?)",
            (self._dead_letters_max,),
        )

    # --- Inside ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits for the next transaction."""
        if self._letters:
            with self._transaction():
                pass

    def close(self) -> None:
        """Write what is left and close the file."""
        try:
            self.flush()
        finally:
            self._db.close()

    def _open_or_salvage(self, durability: str) -> sqlite3.Connection:
        if self.read_only:
            db = connect(self.path, "ro")
            # Held until the file is closed, so that all that is read comes from one moment.
            db.execute("BEGIN")
            return self._checked(db)
        try:
            db = self._checked(self._open(self.path, durability))
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
        salvage(self.path, lambda path: self._open(path, durability), fault)
        return self._open(self.path, durability)

    def _checked(self, db: sqlite3.Connection) -> sqlite3.Connection:
        """The connection, unless a newer version wrote the file."""
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error:
            db.close()
            raise
        if version > _SCHEMA:
            db.close()
            raise StateError(
                f"The state file {self.path} has version {version}; this version reads {_SCHEMA}.",
                "Run the version of EdgeDescent that wrote it.",
            )
        return db

    def _open(self, path: Path, durability: str) -> sqlite3.Connection:
        db = self._disk.open_database(path)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'power' else 'NORMAL'}")
            db.execute("PRAGMA journal_size_limit = 67108864")
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(_TABLES)
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {_SCHEMA}")
            if durability == "power":
                # SQLite syncs the folder of a new log too, but goes on where that fails.
                self._disk.sync_folders_above(path)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All that is executed within, and the dead letters that wait, or none of it."""
        with self._guarded():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._write_letters()
                self._db.execute("COMMIT")
            except BaseException:
                # What went wrong first is what matters, and SQLite may have rolled back by itself.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        self._letters.clear()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> StateError:
        if not is_damage(error):
            return StateError(
                f"The state file {self.path} cannot be used: {error}.",
                "Check that the disk has room, is writable and is not failing.",
            )
        return StateError(
            f"The state file {self.path} is damaged: {error}.",
            "The daemon rescues what it can at its next start.",
        )

    def _journal_end(self) -> tuple[int, int]:
        last, size = self._db.execute("SELECT max(last), sum(length(data)) FROM journal").fetchone()
        newest = self._db.execute("SELECT max(position) FROM checkpoints").fetchone()[0]
        return max(last or 0, newest or 0), size or 0

    def _trim_journal(self) -> None:
        """Drop the oldest blocks above the size limit, but none that the oldest kept checkpoint needs.

        Before there is a second checkpoint, the journal is what stands in for a damaged one.
        """
        count, needed = self._db.execute("SELECT count(*), min(position) FROM checkpoints").fetchone()
        while count == CHECKPOINTS_KEPT and self._journal_bytes > self._journal_bytes_max:
            row = self._db.execute(
                "SELECT first, length(data) FROM journal WHERE last <= ? ORDER BY first LIMIT 1", (needed,)
            ).fetchone()
            if row is None:
                return
            self._db.execute("DELETE FROM journal WHERE first = ?", (row[0],))
            self._journal_bytes -= row[1]

    def _get(self, key: str) -> Any:
        with self._guarded():
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
