"""Store for the journal, checkpoints and dead letters, in one SQLite file of the state folder.

The journal holds every received message, written before the message is acknowledged to the broker. A checkpoint holds
the complete state of the engine at a position of the journal. Two checkpoints are kept, and the journal keeps what the
older one needs, so a single damaged checkpoint costs nothing.

A small position file beside the database holds the last position of the journal. SQLite silently drops everything
behind a damaged place of its write-ahead log; with the position file, such a loss is noticed, counted and logged. Each
commit ends with a check that the files were not deleted meanwhile, which no write notices.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import DiskFullError
from edgedescent.state import codec
from edgedescent.state.checkpoint_table import CHECKPOINTS_KEPT, Checkpoint, CheckpointTable
from edgedescent.state.checkpoints import PIECE_BYTES, CheckpointWriter
from edgedescent.state.dead_letter_table import DeadLetterTable
from edgedescent.state.disk import Disk
from edgedescent.state.files_in_use import FilesInUse
from edgedescent.state.journal_table import JournalTable
from edgedescent.state.lock import FILE as LOCK_FILE
from edgedescent.state.position_file import PositionFile
from edgedescent.state.records import Records
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.state_file import (
    Durability,
    folder_error,
    guarded,
    move_log_often,
    open_to_read,
    open_to_write,
    sqlite_error,
)

log = logging.getLogger(__name__)

FILE = "edgedescent.db"
POSITION_FILE = "edgedescent.position"


class Store:
    """State file of one daemon.

    Attributes:
        piece_bytes: Size of the pieces in which a checkpoint is written.
        records: Whose the state is, and what a restart must know besides.

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
        dead_letters_bytes_max: Size of the dead letters to keep; the oldest are removed.
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
        dead_letters_bytes_max: int = 33_554_432,
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
        self._allowance: str | None = None
        self._memory: str | None = None
        """The text of `memory`, once it was read."""
        self._position_file = PositionFile(self.folder / POSITION_FILE, self._disk)
        try:
            if not read_only:
                self._disk.make_folder(self.folder)
            # The position file is read first, because a daemon may go on writing meanwhile.
            self._note = note = self._position_file.read()
            self.acknowledged, self._position_file.settings = note.acknowledged, note.settings
            self._db = self._open()
            self.records = Records(self._db, self.path, lambda: self.last_position)
            self._journal = JournalTable(self._db, self.path, read_only=read_only)
            self._dead_letters = DeadLetterTable(self._db, dead_letters_max, dead_letters_bytes_max)
            self._checkpoints = CheckpointTable(self._db, self.path)
            end = self._journal.last_position
            self.last_position = self._position_file.compare(note, end, self._checkpoints.newest_behind(end))
            if not read_only:
                self._parts = self._checkpoints.parts()
            # Without its `-shm`, another process would not see the locks of this one.
            names = (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK_FILE)
            self._files = None if read_only else FilesInUse(self.folder, names, self._disk)
        except OSError as error:
            raise folder_error(self.folder, error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise sqlite_error(self.path, error) from error
        if note.fault and self.last_position and not read_only:
            self._position_file.write(self.last_position, self.acknowledged)

    # --- The journal ----------------------------------------------------------------------------------------------

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> int:
        """Append messages to the journal in one transaction, together with their dead letters.

        Args:
            messages: The messages that follow the last one.
            answered: Position of the last answer sent, for recovery.
            hurry: Use a faster compression, which takes more space.

        Returns:
            The size of their block in bytes.

        Raises:
            ValueError: If the first message does not follow the last one of the journal.
        """
        first, last = messages[0].position, messages[-1].position
        if first != self.last_position + 1:
            raise ValueError(f"Message {first} does not follow message {self.last_position}.")
        with self._transaction(up_to=last):
            size = self._journal.append(messages, hurry=hurry)
            self.records.set("answered", str(answered))
        self._journal.written(last, size)
        self.last_position = last
        self._position_file.write(last, self.acknowledged)
        return size

    def read(self, after: int, up_to: int | None = None) -> Iterator[Message]:
        """Read the readable messages behind a position, in order.

        Damaged blocks are logged and skipped; the gap shows in the positions.

        Args:
            after: Position before the first message to read.
            up_to: Position of the last message to read; the end of the journal by default.

        Yields:
            The messages.
        """
        yield from self._journal.read(after, self.last_position if up_to is None else up_to)

    def first_of_last(self, count: int, up_to: int) -> int:
        """Position before the newest blocks that hold at least `count` messages up to `up_to`."""
        return self._journal.first_of_last(count, up_to)

    def journal_extent(self) -> tuple[int, int, int, int]:
        """First and last position, number of blocks and their size in bytes; zeros if the journal is empty."""
        return self._journal.extent()

    def note_acknowledged(self, position: int) -> None:
        """Note up to which position the broker is known to have the acknowledgements. The note survives kill -9."""
        self.acknowledged = position
        self._position_file.write(self.last_position, position)

    # --- Checkpoints ----------------------------------------------------------------------------------------------

    def checkpoint(self, state: dict[str, Any], position: int, created_at: float, learner: dict[str, Any]) -> int:
        """Save the state of the engine at once; the arguments are those of `begin_checkpoint`.

        Returns:
            The size of the checkpoint in bytes.
        """
        return self.begin_checkpoint(state, position, created_at, learner).write_all()

    def begin_checkpoint(
        self,
        state: dict[str, Any],
        position: int,
        created_at: float,
        learner: dict[str, Any],
        *,
        new_learner: bool = False,
    ) -> CheckpointWriter:
        """Prepare to save the state of the engine piece by piece; with the last one, remove what is no longer needed.

        Between the pieces the journal goes on. Another checkpoint may only begin once this one is complete or given up.

        Args:
            state: A copy of the state of the engine.
            position: Position of the last message that the state includes, which must be in the journal.
            created_at: The current time in seconds since 1970.
            learner: Configuration of the learner, as `claim` saves it.
            new_learner: True if another learner has written the state so far: its checkpoints are removed with the
                last piece, and the journal up to `position` no longer leads to the state.
        """
        with guarded(self.path):
            first_part = self._parts.next_number()

        def write_part(number: int, data: bytes) -> None:
            with self._transaction():
                self._parts.write(number, data)

        def write_root(data: bytes) -> None:
            with self._transaction():
                self._checkpoints.add(position, created_at, data, alone=new_learner)
                self.records.set_learner(learner)
                if new_learner:
                    self.records.set("learner_since", str(position))
                dropped = self._trim_journal(now=created_at)
            self._journal.bytes -= dropped
            with guarded(self.path):
                self._parts.find_unused()
                if encoding.n_parts:
                    move_log_often(self._db, often=False)

        encoding = codec.Encoding(state, self.piece_bytes, first_part, position)
        if encoding.n_parts:
            with guarded(self.path):
                move_log_often(self._db, often=True)
        return CheckpointWriter(encoding, position, first_part, write_part, write_root)

    @property
    def checkpoint_bytes(self) -> int:
        """Size of the newest checkpoint; 0 if there is none."""
        return self._checkpoints.newest_bytes()

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
        return self._checkpoints.read()

    # --- To whom the state belongs --------------------------------------------------------------------------------

    def claim(self, learner: dict[str, Any], device: str) -> None:
        """Record the configuration of the learner and the device to which the state belongs."""
        with self._transaction():
            self.records.set_learner(learner)
            self.records.set("device", device)

    def change_settings(self, history: SettingsHistory, settings: EngineSettings) -> None:
        """Record the settings of the engine for the next message and those that follow it.

        Args:
            history: The settings so far.
            settings: The settings; nothing is written if they are recorded already.
        """
        changed = history.with_change(self.last_position + 1, settings, self._checkpoints.needed_from())
        if not self.records.holds("settings", text := changed.encode()):
            with self._transaction():
                self.records.set("settings", text)
        if self._position_file.settings != (mark := changed.mark):
            self._position_file.settings = mark
            self._position_file.write(self.last_position, self.acknowledged)

    def settings_lost_from(self, history: SettingsHistory) -> int | None:
        """Position from which on settings held that are lost, though nothing is damaged; None if none are known to be.

        Args:
            history: The settings as recorded.
        """
        mark = self._note.settings
        return mark.since if history.lacks(mark, self._note.position) else None

    # --- Dead letters ---------------------------------------------------------------------------------------------

    def add_dead_letter(self, dead_letter: DeadLetter) -> None:
        """Add a dead letter. It is written in the transaction of its message, or by recovery after a crash."""
        self._dead_letters.pending.append(dead_letter)

    def dead_letters(self, limit: int = 100, reason: str | None = None) -> list[DeadLetter]:
        """Newest dead letters, newest first, without the empty rows of purged ones.

        Args:
            limit: The largest number of dead letters to return.
            reason: The reason of those to return; all if None.
        """
        with guarded(self.path):
            return self._dead_letters.newest(limit, reason)

    # --- Session ---------------------------------------------------------------------------------------------------

    @property
    def memory(self) -> str:
        """Text of the transport's about its session with the broker; empty in a new state."""
        if self._memory is None:
            self._memory = self.records.session
        return self._memory

    def save_memory(self, memory: str) -> None:
        """Save the text of the transport's about its session, if it has changed."""
        if memory != self.memory:
            with self._transaction():
                self.records.set("session", memory)
            self._memory = memory

    # --- Write budget ---------------------------------------------------------------------------------------------

    @property
    def written_bytes(self) -> int | None:
        """Number of bytes that this process has written to disks so far; None if it is unknown."""
        return self._disk.written_bytes()

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
        if (pending := self._dead_letters.pending) and pending[0].position <= self.last_position:
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
        return open_to_write(self.path, self._disk, self._durability, self.folder / POSITION_FILE)

    @contextmanager
    def _transaction(self, up_to: int | None = None) -> Iterator[None]:
        """Transaction for the duration of a `with` block.

        It also writes the pending dead letters of messages up to `up_to`, by default the last one, and the allowance.
        """
        last = self.last_position if up_to is None else up_to
        dead_letters = self._dead_letters.due(last)
        with guarded(self.path):
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._dead_letters.write(dead_letters)
                if self._allowance is not None:
                    self.records.set("allowance", self._allowance)
                self._db.execute("COMMIT")
            except BaseException:
                # The first error is the one to report, and SQLite may have rolled back by itself.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        self.require_files()
        self._dead_letters.written(last)
        self._allowance = None

    def _trim_journal(self, now: float) -> int:
        """Delete the oldest blocks beyond the bounds that no checkpoint needs; returns their size in bytes.

        Nothing is deleted before there is a second checkpoint, because the journal replaces a damaged first one.
        """
        count, needed = self._checkpoints.extent()
        if count < CHECKPOINTS_KEPT:
            return 0
        oldest = float("-inf") if self._journal_age_max_s is None else now - self._journal_age_max_s
        return self._journal.trim(needed, self._journal_bytes_max, oldest)
