"""SQLite on the simulated disk: the library's own code, with files of ours beneath it.

The files behave as those of SQLite's own layer for Unix: writes leave the bytes around them alone, a new log is synced
together with its folder. Only the index of the log differs: it lies in the process's memory rather than in a shared
file, because nobody else opens the database. It is no part of what lasts; each start builds it anew.
"""

# The names and arguments of the methods are SQLite's.
# ruff: noqa: N802, ARG002

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

import apsw

from edgedescent.state.disk import Disk
from edgedescent_world.chance import Chance
from edgedescent_world.disk import DiskError, File, SimulatedDisk

T = TypeVar("T")
_PIECE_BYTES = 8192
_LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class _OpenFile(apsw.VFSFile):
    """What SQLite holds of one file."""

    def __init__(self, layer: _Layer, path: PurePosixPath, file: File, *, new_log: bool) -> None:
        # The base class is not initialized: it would open a file of the operating system's.
        self._layer = layer
        self._disk = layer.machine.disk
        self._path = path
        self._file = file
        self._new_log = new_log

    def xRead(self, amount: int, offset: int) -> bytes:
        return self._layer.call(lambda: self._disk.read(self._file, amount, offset))

    def xWrite(self, data: Any, offset: int) -> None:
        self._layer.call(lambda: self._disk.write(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self._layer.call(lambda: self._disk.truncate(self._file, size))

    def xSync(self, flags: int) -> None:
        self._layer.call(self._sync)

    def _sync(self) -> None:
        self._disk.sync(self._file)
        if self._new_log:
            # As in SQLite's own layer, a fault here is nobody's business.
            with suppress(DiskError):
                self._disk.sync_folder(self._path.parent)
            self._new_log = False

    def xFileSize(self) -> int:
        return len(self._file.data)

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return 4096

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xClose(self) -> None:
        pass

    def excepthook(self, *_: object) -> bool:
        return True


class _Layer(apsw.VFS):
    """The file system as SQLite sees it; one for all worlds of this process, which take turns."""

    machine: Machine

    def __init__(self) -> None:
        super().__init__("simulated", base="")

    def call(self, operation: Callable[[], T]) -> T:
        """Do something on the disk unless the process is gone, with SQLite's errors."""
        if self.machine.chance.crashed:
            # Already raised where it happened; here SQLite tidies up after it, in vain.
            raise apsw.IOError
        try:
            return operation()
        except DiskError as error:
            raise apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError from None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _OpenFile:
        flags[1] = flags[0]
        disk = self.machine.disk
        if name is None:
            # A temporary file of SQLite's own, which nobody else sees and nothing depends on.
            return _OpenFile(self, PurePosixPath("/temporary"), File(), new_log=False)
        path = PurePosixPath(name.filename() if isinstance(name, apsw.URIFilename) else name)
        file = self.call(lambda: disk.open(path))
        # As SQLite's own layer: also a log that was there before, because whoever made it may not have come to that.
        new_log = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        return _OpenFile(self, path, file, new_log=new_log)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        disk, path = self.machine.disk, PurePosixPath(filename)
        self.call(lambda: disk.delete(path))
        if syncdir:
            self.call(lambda: disk.sync_folder(path.parent))

    def xAccess(self, pathname: str, flags: int) -> bool:
        return self.machine.disk.exists(PurePosixPath(pathname))

    def xFullPathname(self, name: str) -> str:
        return name

    def excepthook(self, *_: object) -> bool:
        return True


_layer: list[_Layer] = []


class _Rows:
    """The rows of a statement, as `sqlite3.Cursor` gives them."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class Database:
    """As much of `sqlite3.Connection` as the store uses, over a connection to the simulated disk.

    Args:
        chance: of the world.
        connection: to SQLite.
        checkpoint_pages: beyond so many pages in its log, SQLite moves them into the database.
    """

    def __init__(self, chance: Chance, connection: apsw.Connection, checkpoint_pages: int) -> None:
        self._chance = chance
        self._connection = connection
        self._checkpoint_pages = checkpoint_pages
        self._log_pages = 0
        # In place of SQLite's own hook, which does the same, because a fault in it must not reach the caller.
        connection.set_wal_hook(self._on_commit)

    def _on_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _guard(self, operation: Callable[[], T]) -> T:
        """Do something with the errors of `sqlite3`."""
        try:
            result = operation()
        except apsw.Error as error:
            self._chance.require_life()
            raise _translated(error) from error
        if self._log_pages >= self._checkpoint_pages:
            self._log_pages = 0
            # SQLite ignores a fault here: what was not moved stays in the log.
            with suppress(apsw.Error):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._chance.require_life()
        return result

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> _Rows:
        """Run one statement."""
        if statement.startswith("PRAGMA wal_autocheckpoint"):
            # It would take the place of our hook.
            return _Rows([])
        return _Rows(self._guard(lambda: self._connection.execute(statement, parameters).fetchall()))

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        self._guard(lambda: self._connection.executemany(statement, parameters).fetchall())

    def executescript(self, script: str) -> None:
        """Run several statements."""
        self._guard(lambda: self._connection.execute(script).fetchall())

    def close(self) -> None:
        """Close the file; SQLite then moves its log into the database, and says nothing if it cannot."""
        with suppress(apsw.Error):
            self._connection.close(force=True)
        self._chance.require_life()


def _translated(error: apsw.Error) -> sqlite3.DatabaseError:
    """An error as `sqlite3` would raise it."""
    if isinstance(error, apsw.FullError | apsw.IOError):
        full = isinstance(error, apsw.FullError)
        translated: sqlite3.DatabaseError = sqlite3.OperationalError(
            "database or disk is full" if full else "disk I/O error"
        )
        translated.sqlite_errorcode = apsw.SQLITE_FULL if full else apsw.SQLITE_IOERR
    else:
        translated = sqlite3.DatabaseError(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
    return translated


class Machine(Disk):
    """The disk of one world as the store is given it.

    Args:
        chance: of the world.
        disk: holds the files.
        checkpoint_pages: how long SQLite lets its log grow; 1000 where it is not told.
    """

    def __init__(self, chance: Chance, disk: SimulatedDisk, *, checkpoint_pages: int) -> None:
        self.chance = chance
        self.disk = disk
        self._checkpoint_pages = checkpoint_pages
        self._connections: list[apsw.Connection] = []
        self._written_before = 0
        if not _layer:
            _layer.append(_Layer())
        _layer[0].machine = self

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it that are missing."""
        self.disk.make_folder(PurePosixPath(folder))

    def sync_folders_above(self, path: Path) -> None:
        """Make what is at `path` last, and the folders it is in."""
        for parent in PurePosixPath(path).parents:
            self.disk.sync_folder(parent)

    def rewrite(self, path: Path) -> None:
        """Write a file's own content over it, and sync it."""
        if self.disk.exists(PurePosixPath(path)):
            file = self.disk.open(PurePosixPath(path))
            for place in range(0, len(file.data), _PIECE_BYTES):
                self.disk.write(file, place, self.disk.read(file, _PIECE_BYTES, place))
            self.disk.sync(file)

    def open_database(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite file to write; made where it is missing."""
        self.disk.open(PurePosixPath(path))
        connection = apsw.Connection(str(path), vfs="simulated")
        self._connections.append(connection)
        database = Database(self.chance, connection, self._checkpoint_pages)
        # Without shared memory, SQLite needs to know that it is alone.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        return cast("sqlite3.Connection", database)

    def size(self, path: Path) -> int | None:
        """Of a file, in bytes."""
        return self.disk.size(PurePosixPath(path))

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name."""
        self.disk.rename(PurePosixPath(path), PurePosixPath(to))

    def remove(self, path: Path) -> None:
        """Delete a file, if there is one."""
        if self.disk.exists(PurePosixPath(path)):
            self.disk.delete(PurePosixPath(path))

    def read_note(self, path: Path) -> bytes:
        """What a small file holds."""
        note = PurePosixPath(path)
        return self.disk.read(self.disk.open(note), _PIECE_BYTES, 0) if self.disk.exists(note) else b""

    def write_note(self, path: Path, content: bytes) -> None:
        """Overwrite a small file in place, without a sync."""
        self.disk.write(self.disk.open(PurePosixPath(path)), 0, content)

    def written_bytes(self) -> int:
        """How much this life of the daemon has written."""
        return self.disk.written - self._written_before

    def query(self, statement: str) -> list[Any]:
        """What an onlooker finds in the database that was opened last."""
        return self._connections[-1].execute(statement).fetchall()

    def abandon(self) -> None:
        """Let go of what a process that is gone had open."""
        for connection in self._connections:
            with suppress(apsw.Error):
                connection.close(force=True)
        self._connections.clear()
        self._written_before = self.disk.written
