"""One daemon to a state folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from edgedescent.errors import StateError
from edgedescent.state.state_file import unusable

FILE = "lock"
PATIENCE_S = 0.5
"""Whoever asks for the holder of a lock holds it for an instant; a daemon that starts just then waits so long."""


class FolderLock:
    """Holds a state folder for this process as long as it lives, however it ends.

    Args:
        folder: the state folder.
        note: a line for those who ask `note_of` while it is held.

    Raises:
        StateError: on entry, if another process holds it.
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
            raise unusable(self._path.parent, error) from error
        try:
            self._take()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def _take(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
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
            os.pwrite(self._descriptor, "".join(f"{line}\n" for line in (os.getpid(), self._note) if line).encode(), 0)
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror}.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def holder_of(folder: str | Path) -> int | None:
    """The process that holds the lock of a state folder; None where none does, -1 where it has yet to say.

    Raises:
        StateError: if the folder cannot be read.
    """
    holder = _holder(folder)
    return None if holder is None else holder[0]


def note_of(folder: str | Path) -> str:
    """The note of the process that holds the lock of a state folder; empty where there is none.

    Raises:
        StateError: if the folder cannot be read.
    """
    holder = _holder(folder)
    return "" if holder is None else holder[1]


def _holder(folder: str | Path) -> tuple[int, str] | None:
    path = Path(folder) / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}.", "Ask as the user of the daemon.") from error
    try:
        if _lock(path, descriptor, fcntl.LOCK_SH):
            return None
        pid, note = _lines(descriptor)
        return (int(pid) if pid.isdigit() else -1), note
    finally:
        os.close(descriptor)


def _lock(path: Path, descriptor: int, kind: int) -> bool:
    """Whether the lock is ours now; it is not where another process holds it.

    Raises:
        StateError: if the file system has no locks.
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
    lines = os.pread(descriptor, 8192, 0).decode(errors="replace").split("\n")
    return lines[0].strip(), lines[1] if len(lines) > 1 else ""
