"""The metrics over HTTP: right, and nobody's way to stall the daemon."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from edgedescent.daemon.metrics_server import CLIENT_TIMEOUT_S, CLIENTS_MAX, REQUEST_MAX, MetricsServer
from edgedescent.errors import ConfigError
from support.fake_clock import FakeClock
from support.waiting import PATIENCE_S

PAGE = b"# TYPE a gauge\na 1\n"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[MetricsServer]:
    made = MetricsServer("127.0.0.1:0", lambda: PAGE, clock.monotonic)
    yield made
    made.close()


def client(server: MetricsServer, asked: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port))
    made.setblocking(False)
    made.sendall(asked)
    return made


def answer(server: MetricsServer, sock: socket.socket, turns: int = 10_000) -> bytes | None:
    """Response of the server; None if it does not close the connection within some turns."""
    got = b""
    for _ in range(turns):
        server.serve()
        try:
            piece = sock.recv(65_536)
        except BlockingIOError:
            time.sleep(0.001)
            continue
        except ConnectionError:
            return got
        if not piece:
            return got
        got += piece
    return None


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: pump\r\n\r\n", b"200 OK", PAGE),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", b"200 OK", PAGE),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200 OK", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found", b"The metrics are at /metrics.\n"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", b"Only GET is answered.\n"),
        (b"\xff\x00\r\n\r\n", b"405 Method Not Allowed", b"Only GET is answered.\n"),
    ],
)
def test_an_answer(server: MetricsServer, asked: bytes, status: bytes, body: bytes) -> None:
    with client(server, asked) as sock:
        got = answer(server, sock)
    assert got is not None
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.splitlines()[0] == b"HTTP/1.1 " + status
    assert rest == body
    assert b"Connection: close" in head


def test_a_request_in_pieces(server: MetricsServer) -> None:
    with client(server, b"GET /met") as sock:
        assert answer(server, sock, turns=5) is None
        sock.sendall(b"rics HTTP/1.1\r\n\r\n")
        got = answer(server, sock)
    assert got is not None
    assert got.endswith(PAGE)


def test_a_client_that_asks_nothing_is_left(server: MetricsServer, clock: FakeClock) -> None:
    with client(server) as sock:
        assert answer(server, sock, turns=5) is None
        clock.now += CLIENT_TIMEOUT_S
        assert answer(server, sock) == b""


def test_a_client_that_asks_too_much_is_left(server: MetricsServer) -> None:
    with client(server, b"x" * (REQUEST_MAX + 1)) as sock:
        assert answer(server, sock) == b""


def test_a_client_that_does_not_take_its_answer_is_left(clock: FakeClock) -> None:
    server = MetricsServer("127.0.0.1:0", lambda: bytes(50_000_000), clock.monotonic)
    with client(server, b"GET /metrics HTTP/1.1\r\n\r\n") as sock:
        # A server that waited for the client would do so for ever.
        for _ in range(20):
            server.serve()
        clock.now += CLIENT_TIMEOUT_S
        server.serve()
        got = answer(server, sock)
    assert got is not None
    assert len(got) < 50_000_000
    server.close()


@pytest.mark.parametrize("served", [True, False])
def test_a_silent_crowd_delays_nobody(server: MetricsServer, served: bool) -> None:
    silent = []
    for _ in range(100):
        silent.append(client(server))
        if served:
            server.serve()
    with client(server, b"GET /metrics HTTP/1.1\r\n\r\n") as sock:
        # One turn, whether they were accepted before or not.
        server.serve()
        sock.setblocking(True)
        sock.settimeout(PATIENCE_S)
        assert sock.recv(65_536).endswith(PAGE)
    assert len(server._clients) == CLIENTS_MAX
    for other in silent:
        other.close()


def test_clients_that_hang_up_hurt_nobody(server: MetricsServer) -> None:
    for asked in (b"", b"GET /metrics HTTP/1.1\r\n\r\n"):
        sock = client(server, asked)
        # Without waiting: a reset, not a goodbye.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        sock.close()
        for _ in range(5):
            server.serve()
    with client(server, b"GET /metrics HTTP/1.1\r\n\r\n") as sock:
        assert answer(server, sock) is not None


@pytest.mark.parametrize("listen", ["9464", "localhost", ":9464", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:²"])
def test_what_is_no_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"`metrics.listen` is .*: expected an address and a port"):
        MetricsServer(listen, lambda: PAGE)


def test_an_address_in_use_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(ConfigError, match=r"where the daemon cannot listen: Address already in use\."):
        MetricsServer(f"127.0.0.1:{server.port}", lambda: PAGE)
    with pytest.raises(ConfigError, match="where the daemon cannot listen"):
        MetricsServer("broker.example:9464", lambda: PAGE)
