"""Socket that reads and writes in large pieces, whatever size it is asked for.

paho-mqtt reads each packet with three small `recv` calls and writes each with a `send` of its own. With this, both
become one system call for hundreds of packets.
"""

from __future__ import annotations

import select
import socket
import ssl
import time

READ_BYTES = 65_536
"""Size of one read; small enough that the allocator reuses its memory instead of asking the kernel each time."""
PENDING_BYTES_MAX = 4_194_304
"""Unsent bytes from which on `send` raises BlockingIOError."""

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BufferedSocket:
    """The part of a socket's interface that paho-mqtt uses, over a connected socket.

    A fault met while flushing is kept and raised by the next `recv` and `send`, which paho calls: only through them
    does it notice that a connection is lost.

    Args:
        inner: The connected socket, plain or with TLS.

    Attributes:
        fault: Error that ended the connection; None while it is usable, or if the other side closed it.
        may_have_more: False if the last receipt took all that had arrived.
        received_at: Time of the last receipt, by the monotonic clock.
        sent_at: Time of the last sending.
    """

    def __init__(self, inner: socket.socket | ssl.SSLSocket) -> None:
        self._inner = inner
        self._incoming = b""
        self._taken = 0
        """Bytes of `_incoming` that were taken."""
        self._outgoing = bytearray()
        self.fault: OSError | None = None
        self.may_have_more = True
        self.received_at = self.sent_at = time.monotonic()

    @property
    def buffered(self) -> int:
        """Number of received bytes that wait to be taken."""
        return len(self._incoming) - self._taken

    @property
    def unsent(self) -> int:
        """Number of bytes that wait to be sent."""
        return len(self._outgoing)

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end of the stream.

        Raises:
            BlockingIOError: If nothing has arrived.
            OSError: If the connection is lost.
        """
        if not self.buffered:
            self._incoming, self._taken = self._receive(), 0
        taken = self._incoming[self._taken : self._taken + size]
        self._taken += len(taken)
        return taken

    def _receive(self) -> bytes:
        """Read once from the inner socket."""
        if self.fault is not None:
            raise self.fault
        try:
            received = self._inner.recv(READ_BYTES)
        except _NOT_NOW:
            raise
        except OSError as fault:
            self.fault = fault
            raise
        self.received_at = time.monotonic()
        # TLS gives one record at a time.
        self.may_have_more = len(received) == READ_BYTES or isinstance(self._inner, ssl.SSLSocket)
        return received

    def send(self, data: bytes) -> int:
        """Queue bytes for `flush`; returns their number.

        Raises:
            BlockingIOError: While too many wait.
            OSError: If the connection is lost.
        """
        if self.fault is not None:
            raise self.fault
        if len(self._outgoing) >= PENDING_BYTES_MAX:
            raise BlockingIOError
        self.queue(data)
        return len(data)

    def queue(self, data: bytes) -> None:
        """Queue bytes for `flush`, however many wait; they are discarded if the connection is lost."""
        if self.fault is None:
            self._outgoing += data

    def flush(self) -> None:
        """Send queued bytes, as many as the connection takes without blocking."""
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
            self.sent_at = time.monotonic()

    def fail(self, fault: OSError) -> None:
        """Discard what is buffered; from now on `recv` and `send` raise `fault`."""
        self.fault = fault
        self._incoming, self._taken = b"", 0
        self._outgoing.clear()

    def pending(self) -> int:
        """Return the number of bytes that can be read without waiting for the descriptor; a fault counts as one."""
        inner = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return self.buffered + inner + (self.fault is not None)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._inner.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to read, or room for what is unsent, at most `timeout_s`.

        Returns:
            True if there is something to read, which may be the end of the stream or a fault.
        """
        if self.pending():
            return True
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        return any(event & ~select.POLLOUT for _, event in poll.poll(max(timeout_s, 0.0) * 1000))

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the connection is lost, at most `timeout_s`, whatever arrives; returns True if it is lost."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLRDHUP)
        return self.fault is not None or bool(poll.poll(max(timeout_s, 0.0) * 1000))

    def setblocking(self, flag: bool) -> None:
        """Set the mode of the inner socket."""
        self._inner.setblocking(flag)

    def linger(self, timeout_s: float) -> bool:
        """Send what is queued, and wait for the other side to close; what it still sends is discarded.

        Returns True if it has closed, having read all that was sent.

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
                return self.fault is None
        return False

    def close(self) -> None:
        """Send what can be sent without blocking, and close."""
        self.flush()
        self._inner.close()

    def _discard(self) -> bool:
        """Read and discard; returns False once the other side has closed."""
        try:
            return bool(self._inner.recv(READ_BYTES))
        except _NOT_NOW:
            return True
        except OSError as fault:
            self.fault = fault
            return False
