"""The metrics over HTTP on a port of this machine, served by the daemon's own loop a little at a time."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

from edgedescent.config import address_of
from edgedescent.daemon.exposition import CONTENT_TYPE
from edgedescent.errors import ConfigError

log = logging.getLogger(__name__)

CLIENTS_MAX = 8
"""More have to wait in the queue of the operating system, where there are a few places."""
REQUEST_MAX = 8_192
PATIENCE_S = 5.0
"""A client that has not asked, or not taken its answer, within that time is left."""


class _Client:
    """One connection: what it has asked so far, and what is left to send."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.until = now + PATIENCE_S
        self.asked = b""
        self.left: memoryview | None = None


class MetricsServer:
    """Answers ``GET /metrics``; never waits for anybody, and holds a bounded number of clients and bytes.

    It has no thread: `serve` does what can be done at once. So an answer shows that the loop is alive, and one that
    stays away that it is not.

    Args:
        listen: the address, such as ``127.0.0.1:9464``.
        page: makes the answer's body.
        clock: the time.

    Raises:
        ConfigError: if the address cannot be listened on.
    """

    def __init__(self, listen: str, page: Callable[[], bytes], clock: Callable[[], float] = time.monotonic) -> None:
        self._page = page
        self._clock = clock
        self._clients: list[_Client] = []
        host, port = address_of(listen)
        try:
            family, kind, number, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
            )[0]
            self._socket = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, number)
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._socket.bind(address)
                self._socket.listen(CLIENTS_MAX)
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise ConfigError(
                f"`metrics.listen` is {listen!r}, where the daemon cannot listen: {error.strerror}.",
                "Give an address of this machine, in numbers, and a port that is free.",
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Do what can be done without waiting."""
        if len(self._clients) < CLIENTS_MAX:
            try:
                sock, _ = self._socket.accept()
            except (BlockingIOError, ConnectionError):
                pass
            except OSError as error:
                log.warning("A client of the metrics cannot be let in: %s.", error.strerror)
            else:
                sock.setblocking(False)
                self._clients.append(_Client(sock, self._clock()))
        if self._clients:
            self._clients = [client for client in self._clients if self._goes_on(client)]

    def close(self) -> None:
        """Listen no more."""
        for client in self._clients:
            client.sock.close()
        self._clients.clear()
        self._socket.close()

    def _goes_on(self, client: _Client) -> bool:
        """Take a client further; whether there is more to do for it."""
        try:
            done = self._step(client)
        except BlockingIOError:
            done = self._clock() >= client.until
        except OSError:
            done = True
        if done:
            client.sock.close()
        return not done

    def _step(self, client: _Client) -> bool:
        if client.left is None:
            while b"\r\n\r\n" not in client.asked and b"\n\n" not in client.asked:
                piece = client.sock.recv(REQUEST_MAX)
                client.asked += piece
                if not piece or len(client.asked) > REQUEST_MAX:
                    return True
            client.left = memoryview(self._answer(client.asked))
        client.left = client.left[client.sock.send(client.left) :]
        if len(client.left):
            raise BlockingIOError
        return True

    def _answer(self, asked: bytes) -> bytes:
        method, _, rest = asked.split(b"\n", 1)[0].partition(b" ")
        path = rest.split(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"Only GET is answered.\n")
        if path != b"/metrics":
            return _response("404 Not Found", "text/plain", b"The metrics are at /metrics.\n")
        return _response("200 OK", CONTENT_TYPE, self._page(), body=method == b"GET")


def _response(status: str, kind: str, content: bytes, *, body: bool = True) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (content if body else b"")
