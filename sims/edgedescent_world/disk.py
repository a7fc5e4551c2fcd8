"""Simulated disk with page cache, syncs and power cuts.

A write is visible to every process at once, but durable only after the file is synced. A new, renamed or deleted file
is durable only after its folder is synced. A power cut keeps any part of what was not synced: whole writes, some of
their sectors, or a piece of a sector. Writes that a failed sync did not store are never stored by a later sync, as on
Linux: the next sync succeeds, and every process still sees them until the power is cut.
"""

from __future__ import annotations

import errno
from pathlib import PurePosixPath

from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline

SECTOR_BYTES = 512


class DiskError(OSError):
    """Error of the simulated disk."""


class File:
    """File with its visible content, its durable content, and the unsynced writes between the two."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.data = bytearray()
        self.durable = bytearray()
        self.pending: list[tuple[int, bytes | None]] = []
        """Offset and content of each unsynced write, in order; for a truncation, the new size and None."""

    def write(self, at: int, content: bytes | None) -> None:
        """Write content at an offset; None truncates the file there."""
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
    """File system of a world.

    Args:
        chance: Random source of the world, which decides what fails.
        timeline: Time of the world, which a sync advances.
        root: A durable folder that exists from the beginning.
    """

    def __init__(self, chance: Chance, timeline: Timeline, root: PurePosixPath) -> None:
        self.chance = chance
        self._timeline = timeline
        self._entries: dict[PurePosixPath, File | None] = {root: None}
        """Visible files by path; None stands for a folder."""
        self._durable = dict(self._entries)
        self.full = False
        """True while there is no space for a file to grow."""
        self.written = 0
        """Number of bytes written since the beginning."""
        self.faults = 0
        """Number of failed operations since the daemon's process started."""

    # --- Files ----------------------------------------------------------------------------------------------------

    def size(self, path: PurePosixPath) -> int | None:
        """Size of a file in bytes; None if there is no file."""
        file = self._entries.get(path)
        return None if file is None else len(file.data)

    def identity(self, path: PurePosixPath) -> object:
        """The file itself; None if there is none."""
        return self._entries.get(path)

    def exists(self, path: PurePosixPath) -> bool:
        """True if there is a file or folder of this path."""
        return path in self._entries

    def open(self, path: PurePosixPath) -> File:
        """Open a file; creates it if it is missing."""
        self.chance.step("open")
        file = self._entries.get(path)
        if file is None:
            if path.parent not in self._entries:
                raise DiskError(errno.ENOENT, "No such folder", str(path))
            file = self._entries[path] = File(path.name)
        return file

    def read(self, file: File, size: int, at: int) -> bytes:
        """Read up to `size` bytes at an offset."""
        self.chance.step("read")
        return bytes(file.data[at : at + size])

    def write(self, file: File, at: int, content: bytes) -> None:
        """Write content at an offset. It is durable after the next sync.

        Raises:
            DiskError: If the disk is full or fails. A part of the content may have been written.
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
        file.write(at, content)
        self.written += len(content)
        if chance.trace:
            chance.trace(f"disk: {file.name} written at {at}, {len(content)} bytes")

    def _write_some(self, file: File, at: int, content: bytes) -> None:
        if written := self.chance.dice.randrange(len(content) + 1):
            file.write(at, content[:written])

    def truncate(self, file: File, size: int) -> None:
        """Truncate a file."""
        self.chance.step("truncate")
        if size < len(file.data):
            file.write(size, None)
            if self.chance.trace:
                self.chance.trace(f"disk: {file.name} truncated to {size} bytes")

    def sync(self, file: File) -> None:
        """Make all writes to a file durable.

        Raises:
            DiskError: If the sync fails. The writes that it did not store are never stored.
        """
        chance = self.chance
        chance.step("sync")
        self._timeline.now += 0.002 * chance.dice.random()
        if file.pending and chance.hit(chance.rates.sync_fails):
            file.pending = [write for write in file.pending if chance.dice.random() < 0.5]
            self._fail(errno.EIO, f"sync of {file.name} fails")
        for at, content in file.pending:
            _apply(file.durable, at, content)
        if chance.trace and file.pending:
            chance.trace(f"disk: {file.name} synced")
        file.pending.clear()

    def _fail(self, number: int, what: str) -> None:
        self.faults += 1
        if self.chance.trace:
            self.chance.trace(f"disk: {what}")
        raise DiskError(number, what)

    # --- Folders --------------------------------------------------------------------------------------------------

    def make_folder(self, folder: PurePosixPath) -> None:
        """Create a folder and its missing parents."""
        for path in (*reversed(folder.parents), folder):
            self.chance.step("open")
            self._entries.setdefault(path, None)

    def delete(self, path: PurePosixPath) -> None:
        """Delete a file."""
        self.chance.step("delete")
        if self.chance.trace:
            self.chance.trace(f"disk: {path.name} deleted")
        self._entries.pop(path, None)

    def delete_folder(self, folder: PurePosixPath) -> None:
        """Delete a folder with everything in it, durably. Who has a file of it open goes on using that."""
        for entries in (self._entries, self._durable):
            for path in [path for path in entries if path == folder or folder in path.parents]:
                del entries[path]
        self.faults += 1

    def rename(self, path: PurePosixPath, to: PurePosixPath) -> None:
        """Rename a file."""
        self.chance.step("open")
        file = self._entries.pop(path)
        if file is not None:
            file.name = to.name
        self._entries[to] = file

    def sync_folder(self, folder: PurePosixPath) -> None:
        """Make the entries of a folder durable.

        Raises:
            DiskError: If the sync fails.
        """
        self.chance.step("sync")
        if self.chance.hit(self.chance.rates.sync_fails):
            self._fail(errno.EIO, f"sync of folder {folder} fails")
        if self.chance.trace:
            self.chance.trace(f"disk: folder {folder} synced")
        for path in {*self._entries, *self._durable}:
            if path.parent == folder:
                self._store_entry(path)

    def _is_entry_durable(self, path: PurePosixPath) -> bool:
        missing = object()
        return self._entries.get(path, missing) is self._durable.get(path, missing)

    def _store_entry(self, path: PurePosixPath) -> None:
        if path in self._entries:
            self._durable[path] = self._entries[path]
        else:
            self._durable.pop(path, None)

    # --- Power cuts -----------------------------------------------------------------------------------------------

    def lose_power(self) -> None:
        """Cut the power: keep what was synced, and a random part of the rest."""
        dice = self.chance.dice
        # Sorted, because the order of a set depends on the process.
        unsynced = (path for path in sorted({*self._entries, *self._durable}) if not self._is_entry_durable(path))
        for path in unsynced:
            if dice.random() < 0.5:
                self._store_entry(path)
        for path in sorted(self._durable):
            if path.parent != path and path.parent not in self._durable:
                del self._durable[path]
        self._entries = dict(self._durable)
        kept = dice.choice((0.0, 0.5, dice.random(), 1.0))
        for path in sorted(self._entries):
            file = self._entries[path]
            if file is not None:
                if self.chance.trace:
                    self.chance.trace(f"disk: {file.name} had {len(file.pending)} unsynced writes")
                for at, content in file.pending:
                    if dice.random() < kept:
                        self._store_part(file, at, content)
                file.pending.clear()
                file.data = bytearray(file.durable)

    def _store_part(self, file: File, at: int, content: bytes | None) -> None:
        """Make an unsynced write durable, or a part of it."""
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
