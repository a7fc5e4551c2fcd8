"""Atomic and durable file writes: after a crash or for a concurrent reader, a file has its old or its new content."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file and sync it. The caller renames the file, or its folder, into place.

    Args:
        path: The file to write.
        data: Its content.
        mode: Its permissions; for the owner only by default.
    """
    descriptor = os.open(path, _NEW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_atomically(path: Path, data: bytes, *, sync: bool = True, mode: int = 0o600) -> None:
    """Replace the file at `path`, or create it, by writing a temporary file and renaming it.

    Args:
        path: The file to replace.
        data: Its new content.
        sync: Sync the file and its folder. Without it, a power cut may lose the content.
        mode: Permissions of the file.

    Raises:
        OSError: If the file cannot be written. The old one is then unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if sync:
            write_durably(temporary, data, mode)
        else:
            with os.fdopen(os.open(temporary, _NEW, mode), "wb") as file:
                file.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that renames in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ProcFile:
    """File of `/proc/self` that stays open: a process without a free descriptor can read it too.

    Args:
        name: Name of the file in `/proc/self`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._descriptor = -1
        self._pid = 0

    def read(self) -> str:
        """Current content of the file.

        Raises:
            OSError: If it cannot be opened or read.
        """
        if self._pid != os.getpid():
            # The open file belongs to the process that opened it, also in a child.
            self._descriptor = os.open(f"/proc/self/{self._name}", os.O_RDONLY | os.O_CLOEXEC)
            self._pid = os.getpid()
        return os.pread(self._descriptor, 65_536, 0).decode("ascii")


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Switch from root to the owner of a folder for the duration of a `with` block.

    Files written meanwhile belong to that user, who could not use files of root. Symbolic links that the user may have
    placed there are followed with the user's permissions, not with those of root. Other users than root are not
    switched.

    Args:
        folder: The folder. Where it does not exist yet, its nearest existing parent decides.

    Raises:
        OSError: If the process may not switch to that user.
    """
    owner = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()).stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    try:
        os.seteuid(owner.st_uid)
        try:
            yield
        finally:
            os.seteuid(0)
    finally:
        os.setegid(group)
