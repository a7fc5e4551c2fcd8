"""Writing files so that a reader, or a power cut, meets the old content or the new and nothing between."""

from __future__ import annotations

import os
from pathlib import Path


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a new file and sync it to the disk; the caller renames it, or its folder, into place."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Put `data` in the place of whatever file is at `path`; without `sync`, a power cut may lose it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if sync:
            write_durably(temporary, data)
        else:
            temporary.write_bytes(data)
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
