"""Small file beside the state file that holds the last position of the journal, and the last acknowledged one."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

from edgedescent.engine.messages import POSITION_MAX
from edgedescent.state.disk import Disk


class PositionFile:
    """File with the last position of the journal and a checksum, overwritten in place and never synced.

    It also holds the position up to which the broker is known to have the acknowledgements.

    It shows that the end of the journal was lost, which SQLite does not report. If the file itself is missing or
    outdated, such a loss may stay unnoticed; nothing else depends on it.

    Args:
        path: The file.
        disk: The file system.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    def read(self) -> tuple[int, int]:
        """Last position of the journal, and that up to which the broker has the acknowledgements, as last written.

        Both are 0 if the file is missing or damaged.

        Raises:
            OSError: If the file exists and cannot be read.
        """
        text, _, crc = self._disk.read_small(self._path).rstrip(b"\n").rpartition(b" ")
        position, _, acknowledged = text.partition(b" ")
        if crc != b"%08x" % zlib.crc32(text) or not (position.isdigit() and acknowledged.isdigit()):
            return 0, 0
        if max(int(position), int(acknowledged)) > POSITION_MAX:
            return 0, 0
        return int(position), int(acknowledged)

    def write(self, position: int, acknowledged: int) -> None:
        """Write the two positions. A failure is ignored."""
        # The length is fixed because the file is overwritten in place.
        text = b"%020d %020d" % (position, acknowledged)
        with suppress(OSError):
            self._disk.overwrite_small(self._path, b"%b %08x\n" % (text, zlib.crc32(text)))
