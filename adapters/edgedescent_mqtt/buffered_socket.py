"""A socket that reads and writes in large pieces, whatever size it is asked for.

paho-mqtt reads each packet with three small `recv` calls and writes each with a `send` of its own. Behind this, both
become one system call for hundreds of packets.
"""

from __future__ import annotations

import select
import socket
import ssl
import time

READ_BYTES = 65_536
"""Few enough that the memory for it is used again and again, and not asked of the kernel each time."""
PENDING_BYTES_MAX = 4_194_304

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BufferedSocket:
    """The part of a socket's interface that paho-mqtt uses, over a connected socket.

    A fault met while flushing is kept and raised by the next `recv` and `send`: those are paho's, and only through
    them does it notice that a connection is lost.

    Attributes:
        fault: Why the connection is of no more use; None while it is, or if the other side closed it.
        heard_at: When something was last received, by the monotonic clock.
        said_at: When something was last sent.
    """

    def __init__(self, inner: socket.socket | ssl.SSLSocket) -> None:
        self._inner = inner
        self._incoming = b""
        self._taken = 0
        """How much of `_incoming` is gone."""
        self._outgoing = bytearray()
        self.fault: OSError | None = None
        self.heard_at = self.said_at = time.monotonic()

    @property
    def buffered(self) -> int:
        """How many received bytes wait to be taken."""
        return len(self._incoming) - self._taken

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._outgoing)

    def recv(self, size: int) -> bytes:
        """Take up to `size` bytes, none at the end of the stream.

        Raises:
            BlockingIOError: if nothing has arrived.
            OSError: if the connection is lost.
        """
        if not self.buffered:
            self._incoming, self._taken = self._receive(), 0
        taken = self._incoming[self._taken : self._taken + size]
        self._taken += len(taken)
        return taken

    def _receive(self) -> bytes:
        """Read once from the socket beneath."""
        if self.fault is not None:
            raise self.fault
        try:
            received = self._inner.recv(READ_BYTES)
        except _NOT_NOW:
            raise
        except OSError as fault:
            self.fault = fault
            raise
        self.heard_at = time.monotonic()
        return received

    def send(self, data: bytes) -> int:
        """Queue bytes for `flush`; returns how many, which is all of them.

        Raises:
            BlockingIOError: while too many wait.
            OSError: if the connection is lost.
        """
        if self.fault is not None:
            raise self.fault
        if len(self._outgoing) >= PENDING_BYTES_MAX:
            raise BlockingIOError
        self.queue(data)
        return len(data)

    def queue(self, data: bytes) -> None:
        """Queue bytes for `flush`, however many wait; they are dropped where the connection is lost."""
        if self.fault is None:
            self._outgoing += data

    def flush(self) -> None:
        """Send what is queued as far as the connection takes it."""
        while self._outgoing:
            try:
                sent = self._inner.send(self._outgoing)
            except _NOT_NOW:
                return
            except OSError as fault:
                self.fault = fault
                self._outgoing.clear()
                return
            del self._outgoing[:sent]
            self.said_at = time.monotonic()

    def fail(self, fault: OSError) -> None:
        """Give the connection up: what is buffered is dropped, and `recv` and `send` raise `fault`."""
        self.fault = fault
        self._incoming, self._taken = b"", 0
        self._outgoing.clear()

    def pending(self) -> int:
        """How many bytes can be read although `poll` may not say so; a fault counts as one."""
        inner = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return self.buffered + inner + (self.fault is not None)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._inner.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to read, or room for what is unsent, at most `timeout_s`.

        Returns whether there is something to read, be it the end of the stream or a fault.
        """
        if self.pending():
            return True
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        return any(event & ~select.POLLOUT for _, event in poll.poll(max(timeout_s, 0.0) * 1000))

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the connection is lost, at most `timeout_s`, whatever there is to read; whether it is."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLRDHUP)
        return self.fault is not None or bool(poll.poll(max(timeout_s, 0.0) * 1000))

    def setblocking(self, flag: bool) -> None:
        """As of the socket beneath."""
        self._inner.setblocking(flag)

    def linger(self, timeout_s: float) -> None:
        """Send what is queued, and wait for the other side to close; what it still says is dropped.

        A socket that is closed while bytes wait to be read resets the connection, and the other side may then lose
        what was sent last.
        """
        until = time.monotonic() + timeout_s
        self.flush()
        while self.fault is None and (left := until - time.monotonic()) > 0:
            self._incoming, self._taken = b"", 0
            self.wait(left)
            self.flush()
            if not self._discard():
                break

    def close(self) -> None:
        """Send what still can be sent, and close."""
        self.flush()
        self._inner.close()

    def _discard(self) -> bool:
        """Read and forget; whether the other side may still say more."""
        try:
            return bool(self._inner.recv(READ_BYTES))
        except _NOT_NOW:
            return True
        except OSError as fault:
            self.fault = fault
            return False
