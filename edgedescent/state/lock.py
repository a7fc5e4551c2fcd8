"""Lock of the state folder, so that at most one daemon uses it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from edgedescent.errors import StateError
from edgedescent.state.state_file import folder_error

FILE = "lock"
ACQUIRE_TIMEOUT_S = 0.5
"""Time for which a starting daemon retries: a process that asks for the holder takes the lock for an instant."""


class FolderLock:
    """Context manager that locks a state folder for this process.

    The kernel releases the lock when the process ends, for whatever reason.

    Args:
        folder: The state folder; created if it is missing.
        note: A line that `note_of` returns to other processes while the lock is held.

    Raises:
        StateError: On entry, if another process holds the lock or the folder cannot be used.
    """

    def __init__(self, folder: str | Path, note: str = "") -> None:
        self._path = Path(folder) / FILE
        self._note = note
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise folder_error(self._path.parent, error) from error
        try:
            self._acquire()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def _acquire(self) -> None:
        deadline = time.monotonic() + ACQUIRE_TIMEOUT_S
        while not _lock(self._path, self._descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                holder = _lines(self._descriptor)[0] or "unknown"
                raise StateError(
                    f"Another daemon (process {holder}) is using the state folder {self._path.parent}.",
                    "Stop it, or give this one another `state.path`.",
                )
            time.sleep(0.02)
        try:
            os.truncate(self._descriptor, 0)
            # As JSON, because a path may hold a line break, or bytes that are no text.
            note = f"{json.dumps(self._note)}\n" if self._note else ""
            os.pwrite(self._descriptor, f"{os.getpid()}\n{note}".encode(), 0)
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror}.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def holder_of(folder: str | Path) -> int | None:
    """Process id of the holder of a state folder's lock.

    Returns:
        The process id; None if nobody holds the lock, -1 if the holder has not written its id yet.

    Raises:
        StateError: If the folder cannot be read.
    """
    holder = _holder(folder)
    return None if holder is None else holder[0]


def note_of(folder: str | Path) -> str:
    """Note of the holder of a state folder's lock; empty if there is none.

    Raises:
        StateError: If the folder cannot be read.
    """
    holder = _holder(folder)
    return "" if holder is None else holder[1]


def _holder(folder: str | Path) -> tuple[int, str] | None:
    """Process id and note of the holder; None if nobody holds the lock."""
    path = Path(folder) / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.", "Run this as the daemon's user.") from error
    try:
        if _lock(path, descriptor, fcntl.LOCK_SH):
            return None
        pid, note = _lines(descriptor)
        # `isdigit` alone is true for more than `int` knows, and a damaged file may hold anything.
        return (int(pid) if re.fullmatch("[0-9]{1,10}", pid) else -1), note
    finally:
        os.close(descriptor)


def _lock(path: Path, descriptor: int, kind: int) -> bool:
    """Try to lock an open file; False if another process holds the lock.

    Raises:
        StateError: If the file system does not support locks.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StateError(
            f"{path} cannot be locked: {error.strerror}.", "Give `state.path` a folder on a disk of this machine."
        ) from error
    return True


def _lines(descriptor: int) -> tuple[str, str]:
    """First two lines of the lock file: process id and note."""
    lines = os.pread(descriptor, 32_768, 0).decode(errors="replace").split("\n")
    note = ""
    # The holder may be writing it at this moment.
    with suppress(ValueError, IndexError):
        note = str(json.loads(lines[1]))
    return lines[0].strip(), note
