"""Writing files so that a reader, or a power cut, meets the old content or the new and nothing between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def write_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a new file, for its owner only, and sync it; the caller renames it, or its folder, into place."""
    descriptor = os.open(path, _NEW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_atomically(path: Path, data: bytes, *, sync: bool = True, mode: int = 0o600) -> None:
    """Put `data` in the place of whatever file is at `path`; without `sync`, a power cut may lose it."""
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
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Let root write as the user to whom a folder belongs, who could do nothing with what belongs to root.

    Nor does root then follow where that user may have laid links.

    Args:
        folder: or where it is to be made.

    Raises:
        OSError: if root may not be that user.
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
