"""File system operations of the store. The simulated world replaces them with a simulated disk."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from edgedescent.state.files import ProcFile, sync_folder
from edgedescent.state.repair import connect

_CHUNK_BYTES = 1_048_576
_IO = ProcFile("io")
_TOLERATED_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.ENOTSUP)
"""Errors of syncing a folder that this process cannot have changed, or on a file system without folder syncs."""


class Disk:
    """The operating system's file system, and SQLite on it."""

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its missing parents, accessible to the owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def sync_folders_above(self, path: Path) -> None:
        """Sync all folders above `path`, so that the entries that lead to it survive a power cut.

        All of them are synced, because an earlier process may have created a folder and ended before it was durable.
        """
        for parent in path.resolve().parents:
            try:
                sync_folder(parent)
            except OSError as error:
                if error.errno not in _TOLERATED_ERRORS:
                    raise

    def size(self, path: Path) -> int | None:
        """Size of a file in bytes; None if there is no file."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def identity(self, path: Path) -> object:
        """Value that no other file has while this one is in use; None if there is no file."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    def rename(self, path: Path, to: Path) -> None:
        """Rename a file, replacing any file of that name."""
        path.rename(to)

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        path.unlink(missing_ok=True)

    def read_small(self, path: Path) -> bytes:
        """Content of a small file; empty if there is no file."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""

    def overwrite_small(self, path: Path, content: bytes) -> None:
        """Overwrite a small file in place, without a sync.

        The kernel writes such a page to the disk once in half a minute at most, however often this is called.
        """
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, content, 0)
        finally:
            os.close(descriptor)

    def written_bytes(self) -> int | None:
        """Number of bytes that this process has written to disks so far; None if the kernel does not count them."""
        try:
            lines = _IO.read().splitlines()
        except OSError:
            return None
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))

    def rewrite(self, path: Path) -> None:
        """Write a file's own content over it and sync it; does nothing if there is no file.

        After a failed sync, Linux keeps the unwritten pages in memory and marks them as written: every process reads
        them, no later sync writes them, and a power cut loses them. Writing them once more stores them or raises an
        error.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            offset = 0
            while data := os.pread(descriptor, _CHUNK_BYTES, offset):
                offset += os.pwrite(descriptor, data, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_database(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite file for writing; creates it, accessible to the owner only, if it is missing."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return connect(path, "rw")
