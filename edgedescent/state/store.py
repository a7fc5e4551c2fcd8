"""Store for the journal, checkpoints and dead letters, in one SQLite file of the state folder.

The journal holds every received message, written before the message is acknowledged to the broker. A checkpoint holds
the complete state of the engine at a position of the journal. Two checkpoints are kept, and the journal keeps what the
older one needs, so a single damaged checkpoint costs nothing.

A small position file beside the database holds the last position of the journal. SQLite silently drops everything
behind a damaged place of its write-ahead log; with the position file, such a loss is noticed, counted and logged. Each
commit ends with a check that the files were not deleted meanwhile, which no write notices.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state import codec, journal_block
from edgedescent.state.checkpoints import PIECE_BYTES, CheckpointParts, CheckpointWriter, read_parts
from edgedescent.state.dead_letter_rows import COLUMNS, from_rows, to_row
from edgedescent.state.disk import Disk
from edgedescent.state.files_in_use import FilesInUse
from edgedescent.state.journal_end import journal_end, remove_behind
from edgedescent.state.lock import FILE as LOCK_FILE
from edgedescent.state.position_file import PositionFile
from edgedescent.state.records import Records
from edgedescent.state.repair import install_repaired
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.state_file import (
    Durability,
    folder_error,
    move_log_often,
    open_to_read,
    open_to_write,
    require_whole,
    sqlite_error,
)

log = logging.getLogger(__name__)

FILE = "edgedescent.db"
POSITION_FILE = "edgedescent.position"
CHECKPOINTS_KEPT = 2


class Checkpoint(msgspec.Struct, frozen=True):
    """State of the engine after the message at `position`."""

    position: int
    created_at: float
    """Time of creation in seconds since 1970."""
    state: dict[str, Any]


class Store:
    """State file of one daemon.

    Attributes:
        piece_bytes: Size of the pieces in which a checkpoint is written.

    Every method raises StateError if the file cannot be read or written. An interrupted write leaves no trace in the
    file. After a DiskFullError the write can be tried again; after any other StateError the store cannot be used any
    more.

    Args:
        folder: The state folder; created if it is missing, readable by its owner only.
        durability: ``"power"`` syncs every commit to the disk. ``"process"`` leaves that to the operating system: a
            commit survives kill -9, and a power cut may lose the last ones.
        journal_bytes_max: Size to which the journal is trimmed, except for what recovery needs.
        journal_age_max_s: Age to which the journal is trimmed, except for what recovery needs; unlimited if None.
        dead_letters_max: Number of dead letters to keep; the oldest are removed.
        read_only: Open an existing file beside the daemon that writes it, as it is at this moment. Later writes are
            not seen.
        disk: The file system; the operating system's by default.

    Raises:
        StateError: If the file cannot be opened, is damaged beyond repair, or another version wrote it.
    """

    piece_bytes = PIECE_BYTES

    def __init__(
        self,
        folder: str | Path,
        *,
        durability: Durability = "power",
        journal_bytes_max: int = 268_435_456,
        journal_age_max_s: float | None = None,
        dead_letters_max: int = 10_000,
        read_only: bool = False,
        disk: Disk | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        self.read_only = read_only
        self._durability = durability
        self._disk = disk or Disk()
        self._journal_bytes_max = journal_bytes_max
        self._journal_age_max_s = journal_age_max_s
        self._dead_letters_max = dead_letters_max
        self._pending: deque[DeadLetter] = deque(maxlen=dead_letters_max)
        """Dead letters that are not written yet."""
        self._allowance: str | None = None
        self._damaged_checkpoints: set[int] = set()
        """Positions of the checkpoints that were found to be damaged."""
        self._memory: str | None = None
        """The text of `memory`, once it was read."""
        self._position_file = PositionFile(self.folder / POSITION_FILE, self._disk)
        try:
            if not read_only:
                self._disk.make_folder(self.folder)
            # The position file is read first, because a daemon may go on writing meanwhile.
            note = self._position_file.read()
            self._db = self._open()
            self._records = Records(self._db, self.path)
            self._journal_last, self._journal_bytes = self._find_end()
            self.last_position = max(self._journal_last, self._newest_checkpoint())
            self.acknowledged = note.acknowledged
            if not read_only:
                self._parts = CheckpointParts(self._db)
            # Without its `-shm`, another process would not see the locks of this one.
            names = (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK_FILE)
            self._files = None if read_only else FilesInUse(self.folder, names, self._disk)
        except OSError as error:
            raise folder_error(self.folder, error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise sqlite_error(self.path, error) from error
        if note.position > self.last_position:
            log.error(
                "The journal ends at message %d, but it had reached message %d.", self._journal_last, note.position
            )
            self.last_position = note.position
        if note.fault and self.last_position:
            log.warning(
                "%s %s: whether messages are missing at the end of the journal, behind message %d, cannot be told.",
                self.folder / POSITION_FILE,
                note.fault,
                self.last_position,
            )
            if not read_only:
                self._position_file.write(self.last_position, self.acknowledged)

    # --- The journal ----------------------------------------------------------------------------------------------

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> None:
        """Append messages to the journal in one transaction, together with their dead letters.

        Args:
            messages: The messages that follow the last one.
            answered: Position of the last answer sent, for recovery.
            hurry: Use a faster compression, which takes more space.

        Raises:
            ValueError: If the first message does not follow the last one of the journal.
        """
        first, last = messages[0].position, messages[-1].position
        if first != self.last_position + 1:
            raise ValueError(f"Message {first} does not follow message {self.last_position}.")
        data = journal_block.pack(messages, hurry=hurry)
        with self._transaction(up_to=last):
            crc = journal_block.checksum(first, last, data)
            self._db.execute(
                "INSERT INTO journal VALUES (?, ?, ?, ?, ?)", (first, last, messages[-1].received_at, crc, data)
            )
            self._records.set("answered", str(answered))
        self.last_position = self._journal_last = last
        self._journal_bytes += len(data)
        self._position_file.write(last, self.acknowledged)

    def read(self, after: int, up_to: int | None = None) -> Iterator[Message]:
        """Read the readable messages behind a position, in order.

        Damaged blocks are logged and skipped; the gap shows in the positions.

        Args:
            after: Position before the first message to read.
            up_to: Position of the last message to read; the end of the journal by default.

        Yields:
            The messages.
        """
        end = self.last_position if up_to is None else up_to
        with self._guarded():
            rows = self._db.execute(
                "SELECT first, last FROM journal WHERE last > ? AND first <= ? ORDER BY first", (after, end)
            ).fetchall()
        for first, last in rows:
            try:
                crc, data = self._row("SELECT crc, data FROM journal WHERE first = ?", first)
                block = journal_block.unpack(first, last, crc, data)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                # Both may be of any type in a damaged table.
                log.error("The journal cannot be read at messages %s to %s: %s.", first, last, error)
            except StateError as error:
                log.error("%s", error)
            else:
                for message in block:
                    # A damaged table may list a block twice.
                    if after < message.position <= end:
                        after = message.position
                        yield message

    def first_of_last(self, count: int, up_to: int) -> int:
        """Position before the newest blocks that hold at least `count` messages up to `up_to`."""
        with self._guarded():
            first, oldest = self._db.execute(
                "SELECT (SELECT max(first) FROM journal WHERE first BETWEEN 1 AND ?), "
                "(SELECT min(first) FROM journal WHERE first > 0)",
                (max(up_to - count + 1, 1),),
            ).fetchone()
        first = oldest if first is None else first
        return up_to if first is None else int(first) - 1

    def journal_extent(self) -> tuple[int, int, int, int]:
        """First and last position, number of blocks and their size in bytes; zeros if the journal is empty."""
        with self._guarded():
            first, blocks, size = self._db.execute(
                "SELECT min(first), count(*), sum(length(data)) FROM journal WHERE first BETWEEN 1 AND ?",
                (self._journal_last,),
            ).fetchone()
        return first or 0, self._journal_last if blocks else 0, blocks, size or 0

    def note_acknowledged(self, position: int) -> None:
        """Note up to which position the broker is known to have the acknowledgements. The note survives kill -9."""
        self.acknowledged = position
        self._position_file.write(self.last_position, position)

    @property
    def answered(self) -> int:
        """Position of the last answer known to be published; 0 if none is."""
        return int(self._get("answered", "answers sent") or 0)

    # --- Checkpoints ----------------------------------------------------------------------------------------------

    def checkpoint(self, state: dict[str, Any], position: int, created_at: float, learner: dict[str, Any]) -> int:
        """Save the state of the engine at once; the arguments are those of `begin_checkpoint`.

        Returns:
            The size of the checkpoint in bytes.
        """
        writer = self.begin_checkpoint(state, position, created_at, learner)
        while not writer.write_piece():
            pass
        return writer.size

    def begin_checkpoint(
        self, state: dict[str, Any], position: int, created_at: float, learner: dict[str, Any]
    ) -> CheckpointWriter:
        """Prepare to save the state of the engine piece by piece; with the last one, remove what is no longer needed.

        Between the pieces the journal goes on. Another checkpoint may only begin once this one is complete or given up.

        Args:
            state: A copy of the state of the engine.
            position: Position of the last message that the state includes, which must be in the journal.
            created_at: The current time in seconds since 1970.
            learner: Configuration of the learner, as `claim` saves it.
        """
        with self._guarded():
            first_part = self._parts.next_number()

        def write_part(number: int, data: bytes) -> None:
            with self._transaction():
                self._parts.write(number, data)

        def write_root(data: bytes) -> None:
            with self._transaction():
                self._remove_damaged_checkpoints()
                self._db.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (position, created_at, data))
                self._db.execute(
                    "DELETE FROM checkpoints WHERE position NOT IN "
                    "(SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?)",
                    (CHECKPOINTS_KEPT,),
                )
                self._records.set("learner", json.dumps(learner, sort_keys=True))
                dropped = self._trim_journal(now=created_at)
            self._journal_bytes -= dropped
            with self._guarded():
                self._parts.find_unused()
                if encoding.n_parts:
                    move_log_often(self._db, often=False)

        encoding = codec.Encoding(state, self.piece_bytes, first_part, position)
        if encoding.n_parts:
            with self._guarded():
                move_log_often(self._db, often=True)
        return CheckpointWriter(encoding, position, first_part, write_part, write_root)

    @property
    def has_unused_parts(self) -> bool:
        """True if there are parts of former checkpoints to remove."""
        return bool(self._parts.unused)

    def remove_unused_parts(self) -> None:
        """Remove some parts of former checkpoints. No checkpoint may be under way."""
        with self._transaction():
            count = self._parts.remove_some()
        self._parts.removed(count)

    def checkpoints(self) -> Iterator[Checkpoint]:
        """Read the undamaged checkpoints, newest first. Damaged ones are logged and skipped."""
        with self._guarded():
            positions = self._db.execute("SELECT position FROM checkpoints ORDER BY position DESC").fetchall()
        for (position,) in positions:
            if (checkpoint := self._read_checkpoint(position)) is not None:
                yield checkpoint

    def _read_checkpoint(self, position: int) -> Checkpoint | None:
        """Checkpoint at a position; None if it is damaged, which is logged."""
        try:
            created_at, data = self._row("SELECT created_at, data FROM checkpoints WHERE position = ?", position)
            return Checkpoint(position, created_at, codec.decode(data, self._read_parts, position))
        except (StateError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
            log.error("The checkpoint at message %d is not usable: %s", position, error)
            self._damaged_checkpoints.add(position)
            return None

    def _remove_damaged_checkpoints(self) -> None:
        """Remove the checkpoints that were found to be damaged, within a transaction: they are no second generation."""
        for position in self._damaged_checkpoints:
            self._db.execute("DELETE FROM checkpoints WHERE position = ?", (position,))

    def _read_parts(self, first: int, count: int) -> Iterable[bytes]:
        return read_parts(self._db, first, count)

    # --- To whom the state belongs --------------------------------------------------------------------------------

    @property
    def learner(self) -> dict[str, Any] | None:
        """Configuration of the learner that wrote the state; None in a new folder."""
        text = self._get("learner", "learner")
        learner: dict[str, Any] | None = None if text is None else json.loads(text)
        return learner

    @property
    def device(self) -> str | None:
        """Name of the device that wrote the state; None in a new folder."""
        return self._get("device", "device")

    def claim(self, learner: dict[str, Any], device: str) -> None:
        """Record the configuration of the learner and the device to which the state belongs."""
        with self._transaction():
            self._records.set("learner", json.dumps(learner, sort_keys=True))
            self._records.set("device", device)

    @property
    def settings(self) -> SettingsHistory:
        """Settings of the engine by position; empty in a new folder.

        Raises:
            StateError: If another version wrote them.
        """
        text = self._get("settings", "engine's settings")
        return SettingsHistory() if text is None else SettingsHistory.decode(text)

    def change_settings(self, history: SettingsHistory, settings: EngineSettings) -> None:
        """Record the settings of the engine for the next message and those that follow it.

        Args:
            history: The settings so far.
            settings: The settings; nothing is written if they are the same.
        """
        with self._guarded():
            # A journal that is whole can be processed from its first message on.
            needed = self._db.execute(
                "SELECT min(position) FROM (SELECT min(position) AS position FROM checkpoints UNION ALL "
                "SELECT min(first) - 1 FROM journal)"
            ).fetchone()[0]
        changed = history.with_change(self.last_position + 1, settings, needed or 0)
        if (text := changed.encode()) != history.encode():
            with self._transaction():
                self._records.set("settings", text)

    # --- Dead letters ---------------------------------------------------------------------------------------------

    def add_dead_letter(self, dead_letter: DeadLetter) -> None:
        """Add a dead letter. It is written in the transaction of its message, or by recovery after a crash."""
        self._pending.append(dead_letter)

    def dead_letters(self, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
        """Newest dead letters, newest first, without the empty rows of purged ones.

        Args:
            limit: The largest number of dead letters to return.
            reason: The reason of those to return; all if None.
        """
        with self._guarded():
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM dead_letters "  # noqa: S608 - constants only
                "WHERE reason != '' AND (?1 IS NULL OR reason = ?1) ORDER BY position DESC, place DESC LIMIT ?2",
                (reason, limit),
            )
            return from_rows(rows)

    def _write_dead_letters(self, dead_letters: Sequence[DeadLetter]) -> None:
        if not dead_letters:
            return
        self._db.executemany(
            f"INSERT OR IGNORE INTO dead_letters ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [to_row(dead_letter) for dead_letter in dead_letters],
        )
        # By position, not by time of writing: recovery may write dead letters again that were removed before.
        self._db.execute(
            "DELETE FROM dead_letters WHERE (position, place) <= "
            "(SELECT position, place FROM dead_letters ORDER BY position DESC, place DESC LIMIT 1 OFFSET ?)",
            (self._dead_letters_max,),
        )

    # --- Session ---------------------------------------------------------------------------------------------------

    @property
    def memory(self) -> str:
        """Text of the transport's about its session with the broker; empty in a new state."""
        if self._memory is None:
            self._memory = self._get("session", "broker's session") or ""
        return self._memory

    def save_memory(self, memory: str) -> None:
        """Save the text of the transport's about its session, if it has changed."""
        if memory != self.memory:
            with self._transaction():
                self._records.set("session", memory)
            self._memory = memory

    # --- Write budget ---------------------------------------------------------------------------------------------

    @property
    def written_bytes(self) -> int | None:
        """Number of bytes that this process has written to disks so far; None if it is unknown."""
        return self._disk.written_bytes()

    @property
    def allowance(self) -> tuple[float, float] | None:
        """Number of bytes left of the day's allowance when it was last saved, and that time; None if never saved."""
        text = self._get("allowance", "day's write budget")
        if text is None:
            return None
        left, at = map(float, text.split())
        return left, at

    def set_allowance(self, left: float, at: float) -> None:
        """Save the rest of the day's allowance with the next transaction, so that a restart does not renew it."""
        self._allowance = f"{left:.0f} {at:.3f}"

    # --- File and transactions ------------------------------------------------------------------------------------

    def require_files(self) -> None:
        """Require that the files in use were not deleted, moved or replaced.

        Raises:
            StateError: If one of them was.
        """
        if self._files is not None:
            self._files.require()

    def flush(self) -> None:
        """Write the pending dead letters whose messages are in the journal."""
        if self._pending and self._pending[0].position <= self.last_position:
            with self._transaction():
                pass

    def close(self) -> None:
        """Write the pending dead letters and close the file.

        If the disk is full, the error is logged, and recovery writes them again.

        Raises:
            StateError: If they cannot be written for another reason, or the files in use were deleted.
        """
        try:
            if not self.read_only:
                self.flush()
                self.require_files()
        except DiskFullError as error:
            log.error("%s", error)
        finally:
            self._files = None
            self._db.close()

    def _open(self) -> sqlite3.Connection:
        if self.read_only:
            return open_to_read(self.path, self._disk)
        if self._durability == "power":
            # Pages of the WAL that an earlier process failed to sync look as if they were on the disk. New commits are
            # written behind them and would be lost together with them.
            self._disk.rewrite(Path(f"{self.path}-wal"))
        install_repaired(self.path)
        require_whole(self.path, self.folder / POSITION_FILE, self._disk)
        return open_to_write(self.path, self._disk, self._durability)

    @contextmanager
    def _transaction(self, up_to: int | None = None) -> Iterator[None]:
        """Transaction for the duration of a `with` block.

        It also writes the pending dead letters of messages up to `up_to`, by default the last one, and the allowance.
        """
        last = self.last_position if up_to is None else up_to
        dead_letters = [dead_letter for dead_letter in self._pending if dead_letter.position <= last]
        with self._guarded():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._write_dead_letters(dead_letters)
                if self._allowance is not None:
                    self._records.set("allowance", self._allowance)
                self._db.execute("COMMIT")
            except BaseException:
                # The first error is the one to report, and SQLite may have rolled back by itself.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        self.require_files()
        self._pending = deque((x for x in self._pending if x.position > last), maxlen=self._dead_letters_max)
        self._allowance = None

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Raise errors of SQLite as StateError, and those of its messages, which may quote damaged text."""
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise sqlite_error(self.path, error) from error

    def _find_end(self) -> tuple[int, int]:
        """Last position and size in bytes of the journal; what is damaged at its end is removed."""
        end, is_damaged = journal_end(self._db)
        if is_damaged and not self.read_only:
            remove_behind(self._db, end)
        return end, self._db.execute("SELECT sum(length(data)) FROM journal").fetchone()[0] or 0

    def _newest_checkpoint(self) -> int:
        """Position of the newest checkpoint behind the end of the journal, if that is damaged; else 0."""
        positions = self._db.execute(
            "SELECT position FROM checkpoints WHERE position > ? ORDER BY position DESC", (self._journal_last,)
        ).fetchall()
        # Read as a whole: a wrong position would be that of messages that never were.
        return next((position for (position,) in positions if self._read_checkpoint(position) is not None), 0)

    def _trim_journal(self, now: float) -> int:
        """Delete the oldest blocks beyond the bounds that no checkpoint needs; returns their size in bytes.

        Nothing is deleted before there is a second checkpoint, because the journal replaces a damaged first one.
        """
        dropped = 0
        count, needed = self._db.execute("SELECT count(*), min(position) FROM checkpoints").fetchone()
        oldest = float("-inf") if self._journal_age_max_s is None else now - self._journal_age_max_s
        while count == CHECKPOINTS_KEPT:
            row = self._db.execute(
                "SELECT first, received_at, length(data) FROM journal WHERE last <= ? ORDER BY first LIMIT 1", (needed,)
            ).fetchone()
            if row is None or (self._journal_bytes - dropped <= self._journal_bytes_max and row[1] >= oldest):
                break
            self._db.execute("DELETE FROM journal WHERE first = ?", (row[0],))
            dropped += row[2]
        return dropped

    def _row(self, statement: str, key: int) -> tuple[Any, ...]:
        """Row of a key that was read from the same table; in a damaged table it may not be found again.

        Raises:
            StateError: If there is none.
        """
        row: tuple[Any, ...] | None = self._db.execute(statement, (key,)).fetchone()
        if row is None:
            raise StateError(f"The table has no row for message {key}, which it lists: it is damaged.")
        return row

    def _get(self, key: str, what: str) -> str | None:
        with self._guarded():
            return self._records.get(key, what)
