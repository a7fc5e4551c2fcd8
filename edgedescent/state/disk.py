"""The disk, as the store is given it: a simulated world gives it another."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from edgedescent.state.files import sync_folder
from edgedescent.state.repair import connect

_PIECE_BYTES = 1_048_576
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.ENOTSUP)
"""What comes of syncing a folder that we cannot have changed, or on a file system that knows no such thing."""


class Disk:
    """The operating system's file system, with SQLite on it."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it that are missing, accessible to the owner only."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def sync_folders_above(self, path: Path) -> None:
        """Make what is at `path` last, and the folders it is in, whoever made them a moment or a life ago."""
        for parent in path.resolve().parents:
            try:
                sync_folder(parent)
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise

    def size(self, path: Path) -> int | None:
        """Of a file, in bytes; None where there is none."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name; whatever had that name is gone."""
        path.rename(to)

    def remove(self, path: Path) -> None:
        """Delete a file, if there is one."""
        path.unlink(missing_ok=True)

    def read_note(self, path: Path) -> bytes:
        """What a small file holds; nothing where there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return b""

    def write_note(self, path: Path, content: bytes) -> None:
        """Overwrite a small file in place, without a sync: the disk sees it once in half a minute at most."""
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, content, 0)
        finally:
            os.close(descriptor)

    def written_bytes(self) -> int | None:
        """How much this process has had written to disks so far; None where the kernel does not count it."""
        try:
            lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))

    def rewrite(self, path: Path) -> None:
        """Write a file's own content over it, and sync it; nothing where there is no file.

        When a sync fails, Linux keeps in memory what it could not write as if it had been written: every process reads
        it, no later sync writes it, and a power cut loses it. Written once more, it is on the disk or an error.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            place = 0
            while data := os.pread(descriptor, _PIECE_BYTES, place):
                place += os.pwrite(descriptor, data, place)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_database(self, path: Path) -> sqlite3.Connection:
        """Open an SQLite file to write; made where it is missing, accessible to the owner only."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        return connect(path, "rw")
