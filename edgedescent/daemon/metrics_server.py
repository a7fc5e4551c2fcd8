"""Non-blocking HTTP server for the metrics, run from the daemon's loop."""

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
"""Number of connections that may be unfinished; for another one, the oldest is closed."""
ACCEPTED_MAX = 256
"""Number of connections accepted in one turn."""
QUEUE_MAX = 128
"""Number of connections that wait in the operating system's queue."""
REQUEST_MAX = 8_192
"""Size limit of a request in bytes."""
CLIENT_TIMEOUT_S = 5.0
"""Time within which a client must have sent its request and received the response."""


class _Client:
    """Connection of a client, with the request received so far and the rest of the response."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        self.sock = sock
        self.until = now + CLIENT_TIMEOUT_S
        self.request = b""
        self.response: memoryview | None = None


class MetricsServer:
    """HTTP server for ``GET /metrics`` without a thread, with a bounded number of clients and bytes.

    The loop calls `serve`, which never blocks. So a response also shows that the loop is running.

    Args:
        listen: Address and port, such as ``127.0.0.1:9464``.
        page: Returns the body of the response.
        clock: Monotonic clock.

    Raises:
        ConfigError: If the server cannot listen on the address.
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
                self._socket.listen(QUEUE_MAX)
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise ConfigError(
                f"`metrics.listen` is {listen!r}, where the daemon cannot listen: {error.strerror}.",
                "Use a numeric address of this machine and a free port.",
            ) from error

    @property
    def port(self) -> int:
        """Port on which the server listens."""
        return int(self._socket.getsockname()[1])

    def serve(self) -> None:
        """Accept clients, and advance all connections as far as possible without blocking.

        A client that asks is served in the turn in which it comes, so that those that do not ask cannot delay it.
        """
        if self._clients:
            self._clients = [client for client in self._clients if self._advance(client)]
        for _ in range(ACCEPTED_MAX):
            if (client := self._accept()) is None:
                return
            if self._advance(client):
                self._clients.append(client)
                if len(self._clients) > CLIENTS_MAX:
                    self._clients.pop(0).sock.close()

    def _accept(self) -> _Client | None:
        """Next client that waits; None if there is none, or it cannot be accepted, which is logged."""
        while True:
            try:
                sock, _ = self._socket.accept()
            except BlockingIOError:
                return None
            except ConnectionError:
                # It hung up while it was waiting.
                continue
            except OSError as error:
                log.warning("A connection to the metrics server cannot be accepted: %s.", error.strerror)
                return None
            sock.setblocking(False)
            return _Client(sock, self._clock())

    def close(self) -> None:
        """Close all connections and stop listening."""
        for client in self._clients:
            client.sock.close()
        self._clients.clear()
        self._socket.close()

    def _advance(self, client: _Client) -> bool:
        """Advance a connection without blocking; closes it and returns False once it is done."""
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
        """Receive the request or send the response; returns True once the connection is done.

        Raises:
            BlockingIOError: If the client has to be waited for.
            OSError: If the connection fails.
        """
        if client.response is None:
            while b"\r\n\r\n" not in client.request and b"\n\n" not in client.request:
                chunk = client.sock.recv(REQUEST_MAX)
                client.request += chunk
                if not chunk or len(client.request) > REQUEST_MAX:
                    return True
            client.response = memoryview(self._respond(client.request))
        client.response = client.response[client.sock.send(client.response) :]
        if len(client.response):
            raise BlockingIOError
        return True

    def _respond(self, request: bytes) -> bytes:
        method, _, rest = request.split(b"\n", 1)[0].partition(b" ")
        path = rest.split(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "text/plain", b"Only GET is answered.\n")
        if path != b"/metrics":
            return _response("404 Not Found", "text/plain", b"The metrics are at /metrics.\n")
        return _response("200 OK", CONTENT_TYPE, self._page(), body=method == b"GET")


def _response(status: str, kind: str, content: bytes, *, body: bool = True) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (content if body else b"")
