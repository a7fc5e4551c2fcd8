"""Small file beside the state file: the last position of the journal, the last acknowledged one, a mark of settings."""

from __future__ import annotations

import logging
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edgedescent.engine.messages import POSITION_MAX
from edgedescent.state.disk import Disk
from edgedescent.state.settings_history import UNKNOWN, SettingsMark

log = logging.getLogger(__name__)


class Note(NamedTuple):
    """Content of the file, as last written."""

    position: int = 0
    """Last position of the journal; 0 if it is not known."""
    acknowledged: int = 0
    """Position up to which the broker has the acknowledgements; 0 if it is not known."""
    settings: SettingsMark = UNKNOWN
    """Mark of the settings that hold for the next message."""
    fault: str = ""
    """Reason for which nothing is known, as the end of a sentence about the file."""


class PositionFile:
    """File with the last position of the journal and a checksum, overwritten in place and never synced.

    It also holds the position up to which the broker is known to have the acknowledgements, and a mark of the settings.

    It shows that the end of the journal, or the last change of the settings, was lost, which SQLite does not report. If
    the file itself is missing, damaged or outdated, such a loss may stay unnoticed; nothing else depends on it.

    Args:
        path: The file.
        disk: The file system.

    Attributes:
        settings: Mark that is written with the positions.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self.settings = UNKNOWN

    def read(self) -> Note:
        """Content of the file.

        Raises:
            OSError: If the file exists and cannot be read.
        """
        content = self._disk.read_small(self._path)
        if not content:
            return Note(fault="is not there, or empty")
        text, _, crc = content.rstrip(b"\n").rpartition(b" ")
        fields = text.split(b" ")
        if crc != b"%08x" % zlib.crc32(text) or not all(field.isdigit() for field in fields):
            return Note(fault="is damaged")
        position, acknowledged, since, checksum, *_ = [*map(int, fields), *UNKNOWN]
        if max(position, acknowledged, since) > POSITION_MAX:
            return Note(fault="is damaged")
        return Note(position, acknowledged, SettingsMark(since, checksum))

    def compare(self, note: Note, end: int, newest: int) -> int:
        """Say what is missing at the end of the journal, or cannot be told.

        Args:
            note: What `read` returned, before the end was looked for: a daemon may go on writing.
            end: Last position of the journal.
            newest: Position of the newest checkpoint.

        Returns:
            The last position that was reached, as far as anything tells it.
        """
        last = max(end, newest)
        if note.position > last:
            log.error("The journal ends at message %d, but it had reached message %d.", end, note.position)
            return note.position
        if note.fault and last:
            log.warning(
                "%s %s: whether messages are missing at the end of the journal, behind message %d, or later settings, "
                "cannot be told.",
                self._path,
                note.fault,
                last,
            )
        return last

    def write(self, position: int, acknowledged: int) -> None:
        """Write the two positions and the mark of the settings. A failure is ignored."""
        # The length is fixed because the file is overwritten in place.
        text = b"%020d %020d %020d %010d" % (position, acknowledged, *self.settings)
        with suppress(OSError):
            self._disk.overwrite_small(self._path, b"%b %08x\n" % (text, zlib.crc32(text)))
