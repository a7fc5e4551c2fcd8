"""The simulated disk: what a process sees of its files, and what of that a power cut leaves.

A write is seen at once by every process, but lasts only once the file is synced; a file or folder lasts only once the
folder it is in is synced. A power cut keeps, of what was not synced, any part: whole writes, some of their sectors, a
piece of a sector. A sync that fails leaves unsynced for good what it did not write, as Linux does: the next sync
succeeds without it, though every process goes on seeing it.
"""

from __future__ import annotations

import errno
from pathlib import PurePosixPath

from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline

SECTOR_BYTES = 512


class DiskError(OSError):
    """The simulated disk did not do what it was asked."""


class File:
    """One file: as processes see it, as it lasts, and the writes between the two."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.data = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []
        """Place and content of each write, in order; without content, the size that the file was cut to."""

    def note(self, at: int, content: bytes | None) -> None:
        """Write, or cut the file short; seen at once."""
        _apply(self.data, at, content)
        self.pending.append((at, content))


def _apply(data: bytearray, at: int, content: bytes | None) -> None:
    if content is None:
        del data[at:]
        return
    if at > len(data):
        data.extend(bytes(at - len(data)))
    data[at : at + len(content)] = content


class SimulatedDisk:
    """Files and folders by their paths.

    Args:
        chance: decides what fails.
        timeline: takes the time that a sync needs.
        root: a folder that was there before the world began.
    """

    def __init__(self, chance: Chance, timeline: Timeline, root: PurePosixPath) -> None:
        self.chance = chance
        self._timeline = timeline
        self._entries: dict[PurePosixPath, File | None] = {root: None}
        """Every file, and None for a folder."""
        self._durable = dict(self._entries)
        self.full = False
        self.written = 0
        """How many bytes were ever written."""
        self.faults = 0
        """How many operations failed in the life at hand."""

    # --- Files ----------------------------------------------------------------------------------------------------

    def size(self, path: PurePosixPath) -> int | None:
        """Of a file; None where there is none."""
        file = self._entries.get(path)
        return None if file is None else len(file.data)

    def exists(self, path: PurePosixPath) -> bool:
        """Whether there is such a file or folder."""
        return path in self._entries

    def open(self, path: PurePosixPath) -> File:
        """A file, made if it is missing."""
        self.chance.step("open")
        file = self._entries.get(path)
        if file is None:
            if path.parent not in self._entries:
                raise DiskError(errno.ENOENT, "No such folder", str(path))
            file = self._entries[path] = File(path.name)
        return file

    def read(self, file: File, size: int, at: int) -> bytes:
        """What is there, up to the end of the file."""
        self.chance.step("read")
        return bytes(file.data[at : at + size])

    def write(self, file: File, at: int, content: bytes) -> None:
        """Write a piece; seen at once, and lasting after the next sync.

        Raises:
            DiskError: if there is no room, or the disk fails. A part of it may have been written.
        """
        chance = self.chance
        try:
            chance.step("write")
        except BaseException:
            # A process can be killed in the middle of a write.
            self._write_some(file, at, content)
            raise
        if self.full and at + len(content) > len(file.data):
            self._fail(errno.ENOSPC, "full")
        if chance.hit(chance.rates.write_fails):
            self._write_some(file, at, content)
            self._fail(errno.EIO, "write fails")
        file.note(at, content)
        self.written += len(content)
        if chance.note:
            chance.note(f"disk: {file.name} written at {at}, {len(content)} bytes")

    def _write_some(self, file: File, at: int, content: bytes) -> None:
        if written := self.chance.dice.randrange(len(content) + 1):
            file.note(at, content[:written])

    def truncate(self, file: File, size: int) -> None:
        """Cut a file short."""
        self.chance.step("truncate")
        if size < len(file.data):
            file.note(size, None)
            if self.chance.note:
                self.chance.note(f"disk: {file.name} cut to {size} bytes")

    def sync(self, file: File) -> None:
        """Make everything written to a file last.

        Raises:
            DiskError: if that fails. What was not written by then never will be.
        """
        chance = self.chance
        chance.step("sync")
        self._timeline.now += 0.002 * chance.dice.random()
        if file.pending and chance.hit(chance.rates.sync_fails):
            file.pending = [write for write in file.pending if chance.dice.random() < 0.5]
            self._fail(errno.EIO, f"sync of {file.name} fails")
        for at, content in file.pending:
            _apply(file.durable, at, content)
        if chance.note and file.pending:
            chance.note(f"disk: {file.name} synced")
        file.pending.clear()

    def _fail(self, number: int, what: str) -> None:
        self.faults += 1
        if self.chance.note:
            self.chance.note(f"disk: {what}")
        raise DiskError(number, what)

    # --- Folders --------------------------------------------------------------------------------------------------

    def make_folder(self, folder: PurePosixPath) -> None:
        """Make a folder and those above it that are missing."""
        for path in (*reversed(folder.parents), folder):
            self.chance.step("open")
            self._entries.setdefault(path, None)

    def delete(self, path: PurePosixPath) -> None:
        """Delete a file."""
        self.chance.step("delete")
        if self.chance.note:
            self.chance.note(f"disk: {path.name} deleted")
        self._entries.pop(path, None)

    def rename(self, path: PurePosixPath, to: PurePosixPath) -> None:
        """Give a file another name."""
        self.chance.step("open")
        file = self._entries.pop(path)
        if file is not None:
            file.name = to.name
        self._entries[to] = file

    def sync_folder(self, folder: PurePosixPath) -> None:
        """Make what was made in a folder, and deleted from it, last.

        Raises:
            DiskError: if that fails.
        """
        self.chance.step("sync")
        if self.chance.hit(self.chance.rates.sync_fails):
            self._fail(errno.EIO, f"sync of folder {folder} fails")
        if self.chance.note:
            self.chance.note(f"disk: folder {folder} synced")
        for path in {*self._entries, *self._durable}:
            if path.parent == folder:
                self._settle(path)

    def _settled(self, path: PurePosixPath) -> bool:
        missing = object()
        return self._entries.get(path, missing) is self._durable.get(path, missing)

    def _settle(self, path: PurePosixPath) -> None:
        if path in self._entries:
            self._durable[path] = self._entries[path]
        else:
            self._durable.pop(path, None)

    # --- The end of the machine -----------------------------------------------------------------------------------

    def lose_power(self) -> None:
        """Keep what was synced, and of the rest whatever chance decides."""
        dice = self.chance.dice
        # In order: a set's would depend on the process.
        unsettled = (path for path in sorted({*self._entries, *self._durable}) if not self._settled(path))
        for path in unsettled:
            if dice.random() < 0.5:
                self._settle(path)
        for path in sorted(self._durable):
            if path.parent != path and path.parent not in self._durable:
                del self._durable[path]
        self._entries = dict(self._durable)
        kept = dice.choice((0.0, 0.5, dice.random(), 1.0))
        for path in sorted(self._entries):
            file = self._entries[path]
            if file is not None:
                if self.chance.note:
                    self.chance.note(f"disk: {file.name} had {len(file.pending)} unsynced writes")
                for at, content in file.pending:
                    if dice.random() < kept:
                        self._keep(file, at, content)
                file.pending.clear()
                file.data = bytearray(file.durable)

    def _keep(self, file: File, at: int, content: bytes | None) -> None:
        """Let a write last that was not synced, or a part of it."""
        dice = self.chance.dice
        if content is None or dice.random() < 0.5:
            _apply(file.durable, at, content)
            return
        for start in range(0, len(content), SECTOR_BYTES):
            sector = content[start : start + SECTOR_BYTES]
            if dice.random() < 0.1:
                sector = sector[: dice.randrange(len(sector) + 1)]
            if sector and dice.random() < 0.7:
                _apply(file.durable, at + start, sector)
