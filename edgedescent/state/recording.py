"""The journal as a recording: read part by part beside a running daemon, and written as JSON lines.

Each part is read on its own. A reader that held the file at one moment, as long as its output is being taken, would
keep SQLite's log from being taken over into the file, and it would grow.
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
"""How many messages are read at once."""


class Extent(msgspec.Struct, frozen=True):
    """What of the journal there is."""

    first: int
    """The position of the oldest message; 0 where there is none."""
    last: int
    blocks: int
    bytes: int
    """As compressed."""
    oldest_at: float | None
    """When the oldest message was received."""
    newest_at: float | None

    @property
    def bytes_per_day(self) -> float | None:
        """How much journal a day brings, at the pace of what is there; None where that is less than a minute's."""
        if self.oldest_at is None or self.newest_at is None or self.newest_at - self.oldest_at < 60:
            return None
        return self.bytes * 86_400 / (self.newest_at - self.oldest_at)


def extent(folder: str | Path) -> Extent:
    """How far the journal goes.

    Raises:
        StateError: if there is no state or it cannot be read.
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
    """The readable messages behind a position, in order; what is damaged is reported and passed over.

    Args:
        folder: the state folder.
        after: the position before the first.
        up_to: the position of the last; the newest at this moment where it is not given.

    Raises:
        StateError: if there is no state or it cannot be read.
    """
    with _opened(folder) as store:
        # Messages that arrive while these are read are not waited for.
        end = store.last_position if up_to is None else min(up_to, store.last_position)
        after = max(after, store.first_of_last(end, end))
    while after < end:
        with _opened(folder) as store:
            part = list(store.read(after, min(after + PART, end)))
        yield from part
        after += PART


def to_line(message: Message) -> str:
    r"""A message as one line of JSON, from which `from_line` makes it again, bit for bit.

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
    """A message from a line of JSON.

    >>> from_line(to_line(Message(7, 1.5, "events", bytes([0, 255])))).payload.hex()
    '00ff'

    Raises:
        ValueError: if it is not such a line; the message says why.
    """
    found = msgspec.json.decode(line, type=_Line)
    if (found.payload is None) == (found.payload_base64 is None):
        raise ValueError("expected either `payload` or `payload_base64`")
    payload = found.payload_base64 if found.payload is None else found.payload.encode()
    return Message(found.position, found.received_at, found.topic, payload or b"", found.packet_id, found.duplicate)


class _Line(msgspec.Struct):
    position: int
    received_at: float
    topic: str
    payload: str | None = None
    payload_base64: bytes | None = None
    packet_id: int = 0
    duplicate: bool = False


@contextmanager
def _opened(folder: str | Path) -> Iterator[Store]:
    store = Store(folder, read_only=True)
    try:
        yield store
    finally:
        store.close()
