"""A socket that reads and writes in large pieces, whatever size it is asked for.

paho-mqtt reads each packet with three small `recv` calls and writes each with a `send` of its own. Behind this, both
become one system call for hundreds of packets.
"""

from __future__ import annotations

import socket
import ssl

READ_BYTES = 262_144
PENDING_BYTES_MAX = 4_194_304


class BufferedSocket:
    """The part of a socket's interface that paho-mqtt uses, over a connected socket."""

    def __init__(self, inner: socket.socket | ssl.SSLSocket) -> None:
        self._inner = inner
        self._incoming = memoryview(b"")
        self._outgoing = bytearray()

    @property
    def buffered(self) -> int:
        """How many received bytes wait to be taken."""
        return len(self._incoming)

    @property
    def unsent(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._outgoing)

    def recv(self, size: int) -> bytes:
        """Take up to `size` bytes; raises BlockingIOError where there are none."""
        if not self._incoming:
            self._incoming = memoryview(self._inner.recv(READ_BYTES))
        taken = self._incoming[:size]
        self._incoming = self._incoming[size:]
        return bytes(taken)

    def send(self, data: bytes) -> int:
        """Queue bytes for `flush`; raises BlockingIOError while too many wait."""
        if len(self._outgoing) >= PENDING_BYTES_MAX:
            raise BlockingIOError
        self._outgoing += data
        return len(data)

    def flush(self) -> None:
        """Send what is queued as far as the connection takes it.

        Raises:
            OSError: if the connection is lost.
        """
        while self._outgoing:
            try:
                sent = self._inner.send(self._outgoing)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._outgoing[:sent]

    def pending(self) -> int:
        """How many bytes can be read although `select` may not say so."""
        inner = self._inner.pending() if isinstance(self._inner, ssl.SSLSocket) else 0
        return len(self._incoming) + inner

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._inner.fileno()

    def setblocking(self, flag: bool) -> None:
        """As of the socket beneath."""
        self._inner.setblocking(flag)

    def close(self) -> None:
        """Send what still can be sent, then close."""
        try:
            self.flush()
        except OSError:
            # The other side is gone: there is nobody left to tell.
            self._outgoing.clear()
        self._inner.close()
