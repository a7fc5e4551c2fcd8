"""Journal of completed runs: an append-only file, from which a sweep that was killed goes on.

A line for each run: the CRC-32 of the JSON behind it, a space, the JSON. A line that was torn by a kill or a power cut
is recognized by its checksum and dropped; its run is done again.
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edgedescent.errors import ConfigError, StateError
from edgedescent.state.files import sync_folder
from edgedescent.state.lock import FolderLock, holder_of
from edgedescent_sims.sweep.jobs import Outcome

FILE = "runs.journal"
SYNC_EVERY_S = 1.0
"""Time after which what was written is synced to the disk. A kill loses nothing; a power cut this much at most."""

_decode = msgspec.json.Decoder(Outcome).decode


def line_of(outcome: Outcome) -> bytes:
    """Line of the journal for an outcome."""
    data = msgspec.json.encode(outcome, order="deterministic")
    return b"%08x %s\n" % (zlib.crc32(data), data)


def read_line(line: bytes) -> Outcome | None:
    """Outcome of a line without its line break; None if the line is damaged."""
    checksum, _, data = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(data):
        return None
    try:
        return _decode(data)
    except msgspec.DecodeError:
        return None


class Journal:
    """Completed runs of the sweep in a folder; use it in a `with` block, in which no other sweep can use the folder.

    Args:
        folder: Folder of the sweep; made if it is missing.
        restart: Forget the runs that are done.

    Attributes:
        done: Outcome of each completed run by the key of its job. Of a key that occurs twice, the last.
        n_damaged: Number of damaged lines, whose runs are done again; a torn end is none.

    Raises:
        ConfigError: On entry, if another sweep uses the folder, or the folder cannot be used.
    """

    def __init__(self, folder: Path, *, restart: bool = False) -> None:
        self.done: dict[str, Outcome] = {}
        self.n_damaged = 0
        self._folder = folder
        self._path = folder / FILE
        self._restart = restart
        self._lock = FolderLock(folder)
        self._descriptor = -1
        self._synced_at = time.monotonic()

    def __enter__(self) -> Self:
        try:
            self._lock.__enter__()
        except StateError as error:
            if (holder := holder_of(self._folder)) is None:
                raise ConfigError(str(error), "Give another --out.") from error
            raise ConfigError(
                f"Another sweep (process {holder}) is using the folder {self._folder}.",
                "Wait for it, stop it, or give this one another --out.",
            ) from None
        try:
            self._open()
        except OSError as error:
            self._lock.__exit__(None, None, None)
            raise ConfigError(f"{self._path}: {error.strerror}.", "Give another --out.") from error
        return self

    def _open(self) -> None:
        if self._restart:
            self._path.unlink(missing_ok=True)
        data = self._path.read_bytes() if self._path.exists() else b""
        *lines, tail = data.split(b"\n")
        for line in lines:
            self._read(line)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        if tail and read_line(tail) is not None:
            # Only the line break is missing.
            self._read(tail)
            os.write(self._descriptor, b"\n")
        elif tail:
            os.ftruncate(self._descriptor, len(data) - len(tail))
        sync_folder(self._folder)

    def _read(self, line: bytes) -> None:
        outcome = read_line(line)
        if outcome is None:
            self.n_damaged += 1
        else:
            self.done[outcome.key] = outcome

    def append(self, outcome: Outcome) -> None:
        """Add a completed run.

        Raises:
            ConfigError: If it cannot be written.
        """
        line = line_of(outcome)
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):
                # What is missing says why.
                os.write(self._descriptor, line[written:])
            if time.monotonic() - self._synced_at > SYNC_EVERY_S:
                os.fsync(self._descriptor)
                self._synced_at = time.monotonic()
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written: {error.strerror}.", "Make room, then run the same command to go on."
            ) from error
        self.done[outcome.key] = outcome

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)
            self._lock.__exit__(kind, error, trace)
