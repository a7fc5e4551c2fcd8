"""Journal, checkpoints and dead letters: one SQLite file in the state folder.

The journal holds every message that was received, before the broker may forget it; a checkpoint holds the engine's
whole state at a place in the journal. Both are kept in generations: whatever the older checkpoint needs stays in the
journal, so that one damaged checkpoint costs nothing.

Beside the file lies a note of a few bytes that says up to which message the journal reached. SQLite drops without a
word what stands behind a damaged place of its log; by the note such a loss is seen, counted and told.
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
from typing import Any

import msgspec

from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state import codec, journal_block
from edgedescent.state.disk import Disk
from edgedescent.state.repair import finish
from edgedescent.state.state_file import Durability, failure, open_to_read, open_to_write, unusable

log = logging.getLogger(__name__)

FILE = "edgedescent.db"
NOTE = "edgedescent.position"
CHECKPOINTS_KEPT = 2


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
        journal_age_max_s: how long to keep it, likewise; for ever where it is None.
        dead_letters_max: how many dead letters to keep; the oldest make room.
        read_only: open an existing file beside the daemon that writes it, as it is at this moment: what is written
            later is not seen.
        disk: where the file lies; the operating system's where it is not given.

    Every method raises StateError when the file cannot be read or written. What was being written is then not in the
    file. Where that is a DiskFullError, it can be tried again; otherwise the store is of no further use.

    Raises:
        StateError: if the file cannot be opened, is damaged beyond use, or a newer version wrote it.
    """

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
        self._letters: deque[DeadLetter] = deque(maxlen=dead_letters_max)
        self._allowance: str | None = None
        try:
            if not read_only:
                self._disk.make_folder(self.folder)
            # Before anything else is read: a daemon may go on writing meanwhile.
            noted = self._noted()
            self._db = self._open()
            self.last_position, self._journal_bytes = self._journal_end()
        except OSError as error:
            raise unusable(self.folder, error) from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise failure(self.path, error) from error
        if noted > self.last_position:
            log.error("The journal ends with message %d, but once it reached %d.", self.last_position, noted)
            self.last_position = noted

    # --- The journal ----------------------------------------------------------------------------------------------

    def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> None:
        """Make messages durable in one transaction.

        Args:
            messages: those that follow the last one.
            answered: up to which position the answers have been sent, for recovery.
            hurry: rather take more room than more time.
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
            self._set("answered", answered)
        self.last_position = last
        self._journal_bytes += len(data)
        self._note(last)

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
                yield from (message for message in block if after < message.position <= end)

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
            dropped = self._trim_journal(now=created_at)
        self._journal_bytes -= dropped
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
        """Keep a dead letter; it is written with its message, and again by recovery if that never comes."""
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

    def _write_letters(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        self._db.executemany(
            "INSERT OR IGNORE INTO dead_letters (position, place, received_at, topic, reason, error, payload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [msgspec.structs.astuple(letter) for letter in letters],
        )
        # By position, not by age: recovery writes letters again that had made room before.
        self._db.execute(
            "DELETE FROM dead_letters WHERE (position, place) <= "
            "(SELECT position, place FROM dead_letters ORDER BY position DESC, place DESC LIMIT 1 OFFSET ?)",
            (self._dead_letters_max,),
        )

    # --- What it costs --------------------------------------------------------------------------------------------

    @property
    def written_bytes(self) -> int | None:
        """How much this process has had written to disks so far; None where that is not known."""
        return self._disk.written_bytes()

    @property
    def allowance(self) -> tuple[float, float] | None:
        """How many bytes could still be written when that was last kept, and the time then."""
        value = self._get("allowance")
        with suppress(ValueError, AttributeError):
            left, at = map(float, value.split())
            return left, at
        return None

    def keep_allowance(self, left: float, at: float) -> None:
        """Keep it with the next transaction, so that a restart is no new day."""
        self._allowance = f"{left:.0f} {at:.3f}"

    # --- Inside ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write the dead letters whose messages are durable."""
        if self._letters and self._letters[0].position <= self.last_position:
            with self._transaction():
                pass

    def close(self) -> None:
        """Write what is left and close the file; what there is no room for, recovery writes again."""
        try:
            if not self.read_only:
                self.flush()
        except DiskFullError as error:
            log.error("%s", error)
        finally:
            self._db.close()

    def _noted(self) -> int:
        """Up to which message the journal once reached, by the note beside it; 0 where that is not to be read."""
        text, _, crc = self._disk.read_note(self.folder / NOTE).rstrip(b"\n").partition(b" ")
        return int(text) if text.isdigit() and crc == b"%08x" % zlib.crc32(text) else 0

    def _note(self, position: int) -> None:
        # Of one length, so that a shorter one leaves nothing of a longer one behind.
        text = b"%020d" % position
        # A note that is missing or old tells nothing false.
        with suppress(OSError):
            self._disk.write_note(self.folder / NOTE, b"%b %08x\n" % (text, zlib.crc32(text)))

    def _open(self) -> sqlite3.Connection:
        if self.read_only:
            return open_to_read(self.path, self._disk)
        if self._durability == "power":
            # What an earlier life could not sync looks as if it were on the disk. New commits follow it in SQLite's
            # log, and would be lost with it.
            self._disk.rewrite(Path(f"{self.path}-wal"))
        finish(self.path)
        return open_to_write(self.path, self._disk, self._durability)

    @contextmanager
    def _transaction(self, up_to: int | None = None) -> Iterator[None]:
        """All that is executed within, and the dead letters of messages that are durable with it, or none of it."""
        last = self.last_position if up_to is None else up_to
        letters = [letter for letter in self._letters if letter.position <= last]
        with self._guarded():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield
                self._write_letters(letters)
                if self._allowance is not None:
                    self._set("allowance", self._allowance)
                self._db.execute("COMMIT")
            except BaseException:
                # What went wrong first is what matters, and SQLite may have rolled back by itself.
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        self._letters = deque((x for x in self._letters if x.position > last), maxlen=self._dead_letters_max)
        self._allowance = None

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise failure(self.path, error) from error

    def _journal_end(self) -> tuple[int, int]:
        last, size = self._db.execute("SELECT max(last), sum(length(data)) FROM journal").fetchone()
        newest = self._db.execute("SELECT max(position) FROM checkpoints").fetchone()[0]
        return max(last or 0, newest or 0), size or 0

    def _trim_journal(self, now: float) -> int:
        """Drop the oldest blocks above the bounds, but none that the oldest kept checkpoint needs; returns their size.

        Before there is a second checkpoint, the journal is what stands in for a damaged one.
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

    def _get(self, key: str) -> Any:
        with self._guarded():
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _set(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
