"""Log lines whose reader is slow, absent or gone: writing them never waits."""

from __future__ import annotations

import logging
import os
import pty
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgedescent.daemon import log_stream, logs
from edgedescent.daemon.log_stream import BUFFER_BYTES, NonBlockingStream
from edgedescent.daemon.logs import LimitedHandler

Ends = tuple[int, int]
"""Descriptors to read from and to write to."""


def a_socket() -> Ends:
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


@pytest.fixture(params=[os.pipe, a_socket, pty.openpty], ids=["pipe", "socket", "terminal"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = request.param()
    yield made
    for descriptor in made:
        with suppress(OSError):
            os.close(descriptor)


def read(descriptor: int) -> str:
    """What is there to read now."""
    os.set_blocking(descriptor, False)
    found = b""
    with suppress(BlockingIOError):
        while data := os.read(descriptor, 65_536):
            found += data
    return found.decode().replace("\r\n", "\n")


def fill(stream: NonBlockingStream, count: int = 20_000) -> None:
    for i in range(count):
        stream.write(f"line {i} {'x' * 40}\n")


def test_nobody_reads_and_nothing_waits(ends: Ends) -> None:
    stream = NonBlockingStream(ends[1])
    fill(stream)
    assert stream.is_waiting
    assert 0 < stream.dropped < 20_000
    stream.finish(0.05)
    assert os.get_blocking(ends[1]), "other processes share the flags of the descriptor"
    stream.close()


def test_what_was_kept_comes_in_order_and_the_rest_is_counted(ends: Ends) -> None:
    stream = NonBlockingStream(ends[1])
    fill(stream)
    text = ""
    while stream.is_waiting:
        text += read(ends[0])
        stream.flush()
    text += read(ends[0])
    lines = text.splitlines()
    # A terminal may take lines again while others are written, so that those dropped need not be the last.
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(set(numbers))
    assert lines == [f"line {i} {'x' * 40}" for i in numbers]
    assert len(lines) == 20_000 - stream.dropped
    assert len(text) > BUFFER_BYTES
    stream.write("again\n")
    assert read(ends[0]) == "again\n"
    stream.close()


def test_a_pipe_of_another_user_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    ends = os.pipe()
    monkeypatch.setattr(log_stream.os, "open", refuse)
    stream = NonBlockingStream(ends[1])
    fill(stream)
    assert stream.dropped
    assert read(ends[0]).startswith("line 0 ")
    for descriptor in ends:
        os.close(descriptor)


def test_a_reader_that_is_gone_costs_lines_and_nothing_else() -> None:
    ends = os.pipe()
    stream = NonBlockingStream(ends[1])
    os.close(ends[0])
    stream.write("one\ntwo\n")
    stream.write("three\n")
    assert (stream.dropped, stream.is_waiting) == (3, False)
    os.close(ends[1])


def test_a_file_gets_everything(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        fill(NonBlockingStream(file.fileno()))
    assert len((tmp_path / "log").read_text().splitlines()) == 20_000


def test_only_text_is_taken(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file, pytest.raises(TypeError, match="takes text, not bytes"):
        NonBlockingStream(file.fileno()).write(b"")  # type: ignore[arg-type]


def test_a_signal_within_a_write_mixes_no_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("wb") as file:
        stream = NonBlockingStream(file.fileno())
        write: Callable[[bytes], int] = stream._write

        def interrupted(data: bytes) -> int:
            monkeypatch.setattr(stream, "_write", write)
            written = write(data)
            # The handler of a signal runs before the caller knows how much was written.
            stream.write("SIGTERM\n")
            return written

        monkeypatch.setattr(stream, "_write", interrupted)
        stream.write("first\n")
    assert (tmp_path / "log").read_text() == "first\nSIGTERM\n"


def test_the_log_says_how_much_was_dropped() -> None:
    ends = os.pipe()
    handler = LimitedHandler(10**6)
    handler.setFormatter(logs.TextFormatter())
    handler.stream = NonBlockingStream(ends[1])
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(handler)
    for i in range(10_000):
        logger.info("line %d", i)
    dropped = handler.stream.dropped
    assert dropped
    text = ""
    for _ in range(5):
        text += read(ends[0])
        handler.report_suppressed()
    assert text.count(f"WARNING {dropped} lines of the log were dropped: nobody read it.") == 1
    assert text.count("line ") == 10_000 - dropped
    handler.close()
    for descriptor in ends:
        os.close(descriptor)
