"""The journal as a recording: read in parts beside a running daemon, and written as JSON lines or CSV.

The state file is opened for each part and closed again. A reader that kept it open while its output is consumed would
prevent SQLite from moving its write-ahead log (WAL) into the file, and the log would grow.
"""

from __future__ import annotations

import base64
import csv
import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from edgedescent.engine.messages import Connection, Message
from edgedescent.errors import StateError, printable
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

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
        _report_gap(last, store.last_position + 1)
    if not blocks:
        return Extent(0, 0, 0, 0, None, None)
    oldest = next(read(folder, after=first - 1, up_to=first), None)
    newest = next(read(folder, after=last - 1, up_to=last), None)
    times = [None if message is None else message.received_at for message in (oldest, newest)]
    return Extent(first, last, blocks, size, *times)


def read(folder: str | Path, after: int = 0, up_to: int | None = None) -> Iterator[Message]:
    """Read messages from the journal in order. What is missing in between is logged.

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
    before = after
    while after < end:
        with _opened(folder) as store:
            part = list(store.read(after, min(after + PART, end)))
        for message in part:
            _report_gap(before, message.position)
            before = message.position
            yield message
        after += PART
    _report_gap(before, end + 1)


def _report_gap(before: int, after: int) -> None:
    """Log that the messages between two positions are missing."""
    if after > before + 1:
        log.error("Messages %d to %d are missing: they cannot be read from the journal.", before + 1, after - 1)


def export_journal(
    folder: str | Path,
    output: Path | None,
    *,
    first: int = 1,
    last: int | None = None,
    since: float = -math.inf,
    style: Literal["jsonl", "csv"] = "jsonl",
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Write messages of the journal to a new file or to standard output, one a line.

    Args:
        folder: The state folder.
        output: The file to create; standard output where it is None.
        first: Position of the first message.
        last: Position of the last message; the newest one where it is None.
        since: Earliest time of receipt, in seconds since 1970.
        style: ``jsonl`` loses nothing; ``csv`` is for spreadsheets: control characters are escaped.
        on_progress: Called with the number of messages that were read and their total.

    Returns:
        The number of messages written.

    Raises:
        StateError: If there is no state, it cannot be read, or the file exists or cannot be written.
    """
    newest = extent(folder).last
    end = newest if last is None else min(last, newest)
    count = 0
    with _standard_output() if output is None else _new_file(output) as file:
        write = _csv_writer(file) if style == "csv" else _jsonl_writer(file)
        for message in read(folder, after=first - 1, up_to=end):
            if message.received_at >= since:
                write(message)
                count += 1
            on_progress(message.position - first + 1, max(end - first + 1, 0))
    return count


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
    if message.connection is not None:
        line["connection"] = msgspec.structs.asdict(message.connection)
    if message.subscriptions:
        line["subscriptions"] = message.subscriptions
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
    return Message(
        found.position,
        found.received_at,
        found.topic,
        payload or b"",
        found.packet_id,
        found.duplicate,
        found.connection,
        found.subscriptions,
    )


class _Line(msgspec.Struct):
    """JSON form of a recorded message; exactly one of the payload fields is given."""

    position: int
    received_at: float
    topic: str
    payload: str | None = None
    payload_base64: bytes | None = None
    packet_id: int = 0
    duplicate: bool = False
    connection: Connection | None = None
    subscriptions: tuple[int, ...] = ()


def _jsonl_writer(file: IO[str]) -> Callable[[Message], None]:
    def write(message: Message) -> None:
        file.write(f"{to_line(message)}\n")

    return write


def _csv_writer(file: IO[str]) -> Callable[[Message], None]:
    writer = csv.writer(file)
    writer.writerow(["position", "received_at", "topic", "payload"])

    def write(message: Message) -> None:
        payload = message.payload.decode(errors="backslashreplace")
        writer.writerow([message.position, repr(message.received_at), _cell(message.topic), _cell(payload)])

    return write


def _cell(text: str) -> str:
    """Text that neither a terminal nor a spreadsheet executes; a number stays one."""
    text = printable(text)
    if not text.startswith(("=", "+", "-", "@")):
        return text
    try:
        float(text)
    except ValueError:
        # A spreadsheet takes it for a formula otherwise, and does not show the mark.
        return f"'{text}"
    return text


@contextmanager
def _standard_output() -> Iterator[IO[str]]:
    yield sys.stdout
    # A full disk is reported here, where the error still reaches the caller, rather than at exit.
    sys.stdout.flush()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """New text file for the duration of a `with` block; removed again if the block fails."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            try:
                yield file
            except BaseException:
                # A part of the output would pass for the whole, and prevent the next attempt.
                path.unlink()
                raise
    except FileExistsError:
        raise StateError(f"{path} exists already.", "Give another name, or remove it.") from None
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}.") from error


@contextmanager
def _opened(folder: str | Path) -> Iterator[Store]:
    """Read-only store for the duration of a `with` block."""
    store = Store(folder, read_only=True)
    try:
        yield store
    finally:
        store.close()
