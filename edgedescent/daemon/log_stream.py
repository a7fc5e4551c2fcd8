"""Text stream that never waits for its reader: a full pipe, or a terminal that was stopped, must not stop the loop."""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable

BUFFER_BYTES = 65_536
"""Size of the text that waits for the reader. What comes beyond it is dropped and counted."""
FINISH_S = 1.0
"""Longest time for which the end of the process waits for the reader."""
_CHUNK_BYTES = select.PIPE_BUF
"""Number of bytes that a pipe which is ready takes without waiting (pipe(7))."""

Write = Callable[[bytes], int]
"""Function that writes a beginning of the data, and returns its length; raises BlockingIOError instead of waiting."""


class NonBlockingStream:
    """Text stream over a file descriptor whose writes never wait.

    Text that the reader does not take at once is kept and written later. A full buffer drops whole calls of `write`,
    so that no line is mixed with another one.

    Args:
        descriptor: The file descriptor. Its flags, which other processes share, stay as they are.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        """Number of lines that were dropped."""
        self._descriptor = descriptor
        self._write, self._close = _writer_of(descriptor)
        self._waiting = bytearray()
        self._is_writing = False

    @property
    def is_waiting(self) -> bool:
        """True if text waits for the reader."""
        return bool(self._waiting)

    def write(self, text: str) -> int:
        """Write a text, or keep it for later, or drop and count it."""
        if not isinstance(text, str):
            raise TypeError(f"A text stream takes text, not {type(text).__name__}.")
        data = text.encode(self.encoding, self.errors)
        if len(self._waiting) + len(data) > BUFFER_BYTES:
            self.flush()
        if self._waiting and len(self._waiting) + len(data) > BUFFER_BYTES:
            self.dropped += max(data.count(b"\n"), 1)
        else:
            self._waiting += data
            self.flush()
        return len(text)

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it."""
        if self._is_writing:
            # A signal handler logs while the line before is written: that call goes on with this one.
            return
        self._is_writing = True
        try:
            while self._waiting:
                del self._waiting[: self._write(bytes(self._waiting[:_CHUNK_BYTES]))]
        except BlockingIOError:
            pass
        except OSError:
            # The reader is gone, or its disk is full. There is nobody to tell, but the count is in the metrics.
            self.dropped += max(self._waiting.count(b"\n"), 1)
            self._waiting.clear()
        finally:
            self._is_writing = False

    def finish(self, timeout_s: float = FINISH_S) -> None:
        """Wait until the reader has taken everything, at most `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while self._waiting and time.monotonic() < deadline:
            self.flush()
            time.sleep(0.01)

    def close(self) -> None:
        """Release what the stream has opened; the descriptor stays open."""
        self._close()

    def fileno(self) -> int:
        """The file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """True if it is a terminal."""
        return os.isatty(self._descriptor)


def _writer_of(descriptor: int) -> tuple[Write, Callable[[], None]]:
    """Function that writes to a file descriptor without waiting or changing its flags, and one that ends its use."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(descriptor))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL), sock.close
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        # A write to a file is never interrupted by a reader.
        return lambda data: os.write(descriptor, data), lambda: None
    try:
        # Opened anew, the same pipe or terminal has flags of its own.
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        own = os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        # It belongs to another user. Only if another process fills it in the same moment, a write may wait.
        return _polled(descriptor), lambda: None
    return lambda data: os.write(own, data), lambda: os.close(own)


def _polled(descriptor: int) -> Write:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)

    def write(data: bytes) -> int:
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(descriptor, data)

    return write


def stream_of_stderr() -> NonBlockingStream | None:
    """Standard error as such a stream, which everything in this process then uses; None if it was replaced."""
    if isinstance(sys.stderr, NonBlockingStream):
        return sys.stderr
    if sys.stderr is None or sys.stderr is not sys.__stderr__:
        return None
    sys.__stderr__.flush()
    stream = NonBlockingStream(sys.__stderr__.fileno())
    sys.stderr = stream
    return stream


def dropped_lines() -> int:
    """Number of lines of the log that were dropped because nobody read them."""
    return sys.stderr.dropped if isinstance(sys.stderr, NonBlockingStream) else 0
