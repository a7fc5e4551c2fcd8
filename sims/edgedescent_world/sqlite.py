"""SQLite on the simulated disk: the real library with a virtual file system (VFS) beneath it.

The files behave like those of SQLite's VFS for Unix: a write leaves the bytes around it unchanged, and a new log is
synced together with its folder. Only the index of the write-ahead log differs: it is in the memory of the process
rather than in a shared file, because no other process opens the database. The index is not durable; each start builds
it again.
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
_CHUNK_BYTES = 8192
_LOGS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


class _VfsFile(apsw.VFSFile):
    """Open file of the VFS."""

    def __init__(self, vfs: _Vfs, path: PurePosixPath, file: File, *, new_log: bool) -> None:
        # The base class is not initialized because that would open a file of the operating system.
        self._vfs = vfs
        self._disk = vfs.world_disk.disk
        self._path = path
        self._file = file
        self._new_log = new_log

    def xRead(self, amount: int, offset: int) -> bytes:
        return self._vfs.call(lambda: self._disk.read(self._file, amount, offset))

    def xWrite(self, data: Any, offset: int) -> None:
        self._vfs.call(lambda: self._disk.write(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        self._vfs.call(lambda: self._disk.truncate(self._file, size))

    def xSync(self, flags: int) -> None:
        self._vfs.call(self._sync)

    def _sync(self) -> None:
        self._disk.sync(self._file)
        if self._new_log:
            # SQLite's VFS for Unix ignores a failure here too.
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


class _Vfs(apsw.VFS):
    """Virtual file system of SQLite, shared by the worlds of this process, which run one after the other."""

    world_disk: WorldDisk

    def __init__(self) -> None:
        super().__init__("simulated", base="")

    def call(self, operation: Callable[[], T]) -> T:
        """Run an operation on the disk unless the process has crashed, and raise its errors as those of SQLite."""
        if self.world_disk.chance.crashed:
            # The crash was raised before. Whatever SQLite does to clean up has no effect.
            raise apsw.IOError
        try:
            return operation()
        except DiskError as error:
            raise apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError from None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _VfsFile:
        flags[1] = flags[0]
        disk = self.world_disk.disk
        if name is None:
            # A temporary file of SQLite, which no other code uses.
            return _VfsFile(self, PurePosixPath("/temporary"), File(), new_log=False)
        path = PurePosixPath(name.filename() if isinstance(name, apsw.URIFilename) else name)
        file = self.call(lambda: disk.open(path))
        # As in SQLite's VFS for Unix, an existing log counts as new: its creator may have crashed before the sync.
        new_log = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _LOGS)
        return _VfsFile(self, path, file, new_log=new_log)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        disk, path = self.world_disk.disk, PurePosixPath(filename)
        self.call(lambda: disk.delete(path))
        if syncdir:
            self.call(lambda: disk.sync_folder(path.parent))

    def xAccess(self, pathname: str, flags: int) -> bool:
        return self.world_disk.disk.exists(PurePosixPath(pathname))

    def xFullPathname(self, name: str) -> str:
        return name

    def excepthook(self, *_: object) -> bool:
        return True


_registered: list[_Vfs] = []
"""The VFS of this process, once it is registered."""


class _Rows:
    """Rows of a statement, with the interface of `sqlite3.Cursor`."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class SimulatedConnection:
    """Connection to the simulated disk, with the part of `sqlite3.Connection` that the store uses.

    Args:
        chance: Random source of the world.
        connection: Connection of apsw.
        wal_pages_max: Number of pages at which SQLite moves its write-ahead log into the database.
    """

    def __init__(self, chance: Chance, connection: apsw.Connection, wal_pages_max: int) -> None:
        self._chance = chance
        self._connection = connection
        self._wal_pages_max = wal_pages_max
        self._wal_pages = 0
        # In place of SQLite's own hook, which does the same, because a fault in it must not reach the caller.
        connection.set_wal_hook(self._on_commit)

    def _on_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _guard(self, operation: Callable[[], T]) -> T:
        """Run an operation, and raise its errors as those of `sqlite3`."""
        try:
            result = operation()
        except apsw.Error as error:
            self._chance.raise_if_crashed()
            raise _translated(error) from error
        if self._wal_pages >= self._wal_pages_max:
            self._wal_pages = 0
            # SQLite ignores an error here: pages that were not moved stay in the log.
            with suppress(apsw.Error):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._chance.raise_if_crashed()
        return result

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> _Rows:
        """Run one statement."""
        if statement.startswith("PRAGMA wal_autocheckpoint"):
            # It would replace the hook.
            return _Rows([])
        return _Rows(self._guard(lambda: self._connection.execute(statement, parameters).fetchall()))

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of parameters."""
        self._guard(lambda: self._connection.executemany(statement, parameters).fetchall())

    def executescript(self, script: str) -> None:
        """Run several statements."""
        self._guard(lambda: self._connection.execute(script).fetchall())

    def close(self) -> None:
        """Close the file; SQLite then moves its log into the database, and ignores an error."""
        with suppress(apsw.Error):
            self._connection.close(force=True)
        self._chance.raise_if_crashed()


def _translated(error: apsw.Error) -> sqlite3.DatabaseError:
    """Error of `sqlite3` for an error of apsw."""
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


class WorldDisk(Disk):
    """File system operations of the store on the simulated disk of a world.

    Args:
        chance: Random source of the world.
        disk: The simulated disk.
        wal_pages_max: Number of pages at which SQLite moves its write-ahead log into the database.
    """

    def __init__(self, chance: Chance, disk: SimulatedDisk, *, wal_pages_max: int) -> None:
        self.chance = chance
        self.disk = disk
        self._wal_pages_max = wal_pages_max
        self._connections: list[apsw.Connection] = []
        self._written_before = 0
        if not _registered:
            _registered.append(_Vfs())
        _registered[0].world_disk = self

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its missing parents."""
        self.disk.make_folder(PurePosixPath(folder))

    def sync_folders_above(self, path: Path) -> None:
        """Sync all folders above `path`."""
        for parent in PurePosixPath(path).parents:
            self.disk.sync_folder(parent)

    def rewrite(self, path: Path) -> None:
        """Write a file's own content over it and sync it; does nothing if there is no file."""
        if self.disk.exists(PurePosixPath(path)):
            file = self.disk.open(PurePosixPath(path))
            for offset in range(0, len(file.data), _CHUNK_BYTES):
                self.disk.write(file, offset, self.disk.read(file, _CHUNK_BYTES, offset))
            self.disk.sync(file)

    def open_database(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite file for writing; creates it if it is missing."""
        self.disk.open(PurePosixPath(path))
        connection = apsw.Connection(str(path), vfs="simulated")
        self._connections.append(connection)
        database = SimulatedConnection(self.chance, connection, self._wal_pages_max)
        # Without shared memory, SQLite needs exclusive access.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        return cast("sqlite3.Connection", database)

    def size(self, path: Path) -> int | None:
        """Size of a file in bytes; None if there is no file."""
        return self.disk.size(PurePosixPath(path))

    def identity(self, path: Path) -> object:
        """Value that no other file has; None if there is no file."""
        return self.disk.identity(PurePosixPath(path))

    def rename(self, path: Path, to: Path) -> None:
        """Rename a file, replacing any file of that name."""
        self.disk.rename(PurePosixPath(path), PurePosixPath(to))

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        if self.disk.exists(PurePosixPath(path)):
            self.disk.delete(PurePosixPath(path))

    def read_small(self, path: Path) -> bytes:
        """Content of a small file; empty if there is no file."""
        where = PurePosixPath(path)
        return self.disk.read(self.disk.open(where), _CHUNK_BYTES, 0) if self.disk.exists(where) else b""

    def overwrite_small(self, path: Path, content: bytes) -> None:
        """Overwrite a small file in place, without a sync."""
        self.disk.write(self.disk.open(PurePosixPath(path)), 0, content)

    def written_bytes(self) -> int:
        """Number of bytes that the current process of the daemon has written."""
        return self.disk.written - self._written_before

    def query(self, statement: str) -> list[Any]:
        """Run a query on the database that was opened last, for the invariants."""
        return self._connections[-1].execute(statement).fetchall()

    def abandon(self) -> None:
        """Close what a process that has ended had open."""
        for connection in self._connections:
            with suppress(apsw.Error):
                connection.close(force=True)
        self._connections.clear()
        self._written_before = self.disk.written
