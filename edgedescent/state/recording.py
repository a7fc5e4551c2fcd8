"""The journal as a recording: read in parts beside a running daemon, and written as JSON lines.

The state file is opened for each part and closed again. A reader that kept it open while its output is consumed would
prevent SQLite from moving its write-ahead log (WAL) into the file, and the log would grow.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.engine.messages import Message
from edgedescent.state.store import Store

PART = 1_000
"""Number of messages that are read at once."""


class Extent(msgspec.Struct, frozen=True):
    """Range and size of the journal."""

    first: int
    """Position of the oldest message; 0 if there is none."""
    last: int
    """Position of the newest message; 0 if there is none."""
    blocks: int
    bytes: int
    """Compressed size."""
    oldest_at: float | None
    """Time of receipt of the oldest message, in seconds since 1970; None if it cannot be read."""
    newest_at: float | None
    """Time of receipt of the newest message, in seconds since 1970; None if it cannot be read."""

    @property
    def bytes_per_day(self) -> float | None:
        """Average growth in bytes per day; None if the journal covers less than a minute."""
        if self.oldest_at is None or self.newest_at is None or self.newest_at - self.oldest_at < 60:
            return None
        return self.bytes * 86_400 / (self.newest_at - self.oldest_at)


def extent(folder: str | Path) -> Extent:
    """Range and size of the journal of a state folder.

    Raises:
        StateError: If there is no state or it cannot be read.
    """
    with _opened(folder) as store:
        first, last, blocks, size = store.journal_extent()
    if not blocks:
        return Extent(0, 0, 0, 0, None, None)
    oldest = next(read(folder, after=first - 1, up_to=first), None)
    newest = next(read(folder, after=last - 1, up_to=last), None)
    times = [None if message is None else message.received_at for message in (oldest, newest)]
    return Extent(first, last, blocks, size, *times)


def read(folder: str | Path, after: int = 0, up_to: int | None = None) -> Iterator[Message]:
    """Read messages from the journal in order. Damaged blocks are logged and skipped.

    Args:
        folder: The state folder.
        after: Position before the first message to read.
        up_to: Position of the last message to read; by default the newest one at the time of the call.

    Yields:
        The readable messages.

    Raises:
        StateError: If there is no state or it cannot be read.
    """
    with _opened(folder) as store:
        # The end is fixed here, so that reading ends while the daemon goes on writing.
        end = store.last_position if up_to is None else min(up_to, store.last_position)
        after = max(after, store.first_of_last(end, end))
    while after < end:
        with _opened(folder) as store:
            part = list(store.read(after, min(after + PART, end)))
        yield from part
        after += PART


def to_line(message: Message) -> str:
    r"""Encode a message as one line of JSON, without loss; `from_line` decodes it.

    Example:
        >>> to_line(Message(7, 1.5, "events", b'{"x": {}}'))
        '{"position": 7, "received_at": 1.5, "topic": "events", "payload": "{\\"x\\": {}}"}'
    """
    line: dict[str, Any] = {"position": message.position, "received_at": message.received_at, "topic": message.topic}
    try:
        line["payload"] = message.payload.decode()
    except UnicodeDecodeError:
        line["payload_base64"] = base64.b64encode(message.payload).decode()
    if message.packet_id:
        line["packet_id"] = message.packet_id
    if message.duplicate:
        line["duplicate"] = True
    return json.dumps(line)


def from_line(line: str | bytes) -> Message:
    """Decode a message from a line of JSON.

    Raises:
        ValueError: If it is not a line as `to_line` writes it; the text names the fault.

    Example:
        >>> from_line(to_line(Message(7, 1.5, "events", bytes([0, 255])))).payload.hex()
        '00ff'
    """
    found = msgspec.json.decode(line, type=_Line)
    if (found.payload is None) == (found.payload_base64 is None):
        raise ValueError("expected either `payload` or `payload_base64`")
    payload = found.payload_base64 if found.payload is None else found.payload.encode()
    return Message(found.position, found.received_at, found.topic, payload or b"", found.packet_id, found.duplicate)


class _Line(msgspec.Struct):
    """JSON form of a recorded message; exactly one of the payload fields is given."""

    position: int
    received_at: float
    topic: str
    payload: str | None = None
    payload_base64: bytes | None = None
    packet_id: int = 0
    duplicate: bool = False


@contextmanager
def _opened(folder: str | Path) -> Iterator[Store]:
    """Read-only store for the duration of a `with` block."""
    store = Store(folder, read_only=True)
    try:
        yield store
    finally:
        store.close()
