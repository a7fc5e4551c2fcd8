"""Small file beside the state file that holds the last position of the journal."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path

from edgedescent.engine.messages import POSITION_MAX
from edgedescent.state.disk import Disk


class PositionFile:
    """File with the last position of the journal and a checksum, overwritten in place and never synced.

    It shows that the end of the journal was lost, which SQLite does not report. If the file itself is missing or
    outdated, such a loss may stay unnoticed; nothing else depends on it.

    Args:
        path: The file.
        disk: The file system.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk

    def read(self) -> int:
        """Last position of the journal when the file was last written; 0 if it is missing or damaged.

        Raises:
            OSError: If the file exists and cannot be read.
        """
        text, _, crc = self._disk.read_small(self._path).rstrip(b"\n").partition(b" ")
        position = int(text) if text.isdigit() and crc == b"%08x" % zlib.crc32(text) else 0
        return position if position <= POSITION_MAX else 0

    def write(self, position: int) -> None:
        """Write a position. A failure is ignored."""
        # The length is fixed because the file is overwritten in place.
        text = b"%020d" % position
        with suppress(OSError):
            self._disk.overwrite_small(self._path, b"%b %08x\n" % (text, zlib.crc32(text)))
