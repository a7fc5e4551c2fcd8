"""The socket between paho and the network: large pieces, and faults that paho gets to see."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edgedescent_mqtt.buffered_socket import PENDING_BYTES_MAX, BufferedSocket
from support.waiting import PATIENCE_S, at_least, sooner_than


@pytest.fixture
def ends() -> Iterator[tuple[BufferedSocket, socket.socket]]:
    """A buffered socket and its other side."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(PATIENCE_S)
    with ours, theirs:
        yield BufferedSocket(ours), theirs


Ends = tuple[BufferedSocket, socket.socket]


def test_many_small_reads_are_one_system_call(ends: Ends) -> None:
    sock, other = ends
    other.sendall(b"abcdefgh")
    assert sock.wait(PATIENCE_S)
    assert sock.recv(1) == b"a"
    assert (sock.buffered, sock.pending()) == (7, 7)
    assert sock.recv(3) == b"bcd"
    assert sock.recv(100) == b"efgh"
    assert sock.pending() == 0
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    assert sock.fault is None


def test_writes_gather_until_they_are_flushed(ends: Ends) -> None:
    sock, other = ends
    assert sock.send(b"one ") == 4
    assert sock.send(b"two") == 3
    assert sock.unsent == 7
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(100)
    sock.flush()
    assert sock.unsent == 0
    assert other.recv(100) == b"one two"


def test_a_full_pipe_keeps_the_rest_in_order_and_bounds_it(ends: Ends) -> None:
    sock, other = ends
    data = bytes(range(256)) * 4096
    sent = 0
    while sock.unsent < PENDING_BYTES_MAX:
        sent += sock.send(data)
        sock.flush()
    assert sock.unsent < PENDING_BYTES_MAX + len(data)
    with pytest.raises(BlockingIOError):
        sock.send(b"x")
    received = b""
    while len(received) < sent:
        sock.flush()
        received += other.recv(1 << 20)
    assert received == data * (sent // len(data))
    assert sock.unsent == 0


def test_the_end_of_the_stream_is_read_as_nothing(ends: Ends) -> None:
    sock, other = ends
    other.sendall(b"last")
    other.close()
    assert sock.wait(PATIENCE_S)
    assert sock.recv(10) == b"last"
    assert sock.wait(PATIENCE_S)
    assert sock.recv(10) == b""
    assert sock.fault is None


def test_a_fault_while_flushing_is_raised_to_whoever_reads_or_sends(ends: Ends) -> None:
    sock, other = ends
    other.close()
    sock.send(b"into the void")
    sock.flush()
    assert isinstance(sock.fault, OSError)
    assert sock.unsent == 0
    # Nobody waits for a connection that is lost: the reader is told at once.
    with sooner_than(PATIENCE_S):
        assert sock.wait(PATIENCE_S)
    assert sock.pending() == 1
    for _ in range(2):
        with pytest.raises(BrokenPipeError):
            sock.recv(1)
    with pytest.raises(BrokenPipeError):
        sock.send(b"more")


def test_what_arrived_before_a_fault_is_still_read(ends: Ends) -> None:
    sock, other = ends
    other.sendall(b"ab")
    sock.wait(PATIENCE_S)
    assert sock.recv(1) == b"a"
    other.close()
    sock.send(b"x")
    sock.flush()
    assert sock.recv(1) == b"b"
    with pytest.raises(OSError, match="Broken pipe"):
        sock.recv(1)


def test_giving_up_drops_what_is_buffered(ends: Ends) -> None:
    sock, other = ends
    other.sendall(b"abc")
    sock.wait(PATIENCE_S)
    sock.recv(1)
    sock.send(b"unsent")
    sock.fail(ConnectionError("enough"))
    assert (sock.buffered, sock.unsent) == (0, 0)
    with pytest.raises(ConnectionError, match="enough"):
        sock.recv(1)


def test_waiting_for_nothing_takes_its_time(ends: Ends) -> None:
    sock, _ = ends
    with at_least(0.1):
        assert not sock.wait(0.1)
    assert not sock.wait(-1)


def test_room_to_write_ends_a_wait_without_anything_to_read(ends: Ends) -> None:
    sock, _ = ends
    sock.send(b"x")
    with sooner_than(PATIENCE_S):
        assert not sock.wait(PATIENCE_S)


def test_closing_sends_what_is_left(ends: Ends) -> None:
    sock, other = ends
    sock.send(b"goodbye")
    sock.close()
    assert other.recv(100) == b"goodbye"
    assert other.recv(100) == b""


def test_lingering_waits_for_the_other_side_and_reads_what_it_says(ends: Ends) -> None:
    sock, other = ends
    sock.send(b"goodbye")

    def answer() -> None:
        other.sendall(b"unread" * 1000)
        assert other.recv(100) == b"goodbye"
        time.sleep(0.1)
        other.close()

    thread = threading.Thread(target=answer)
    with sooner_than(PATIENCE_S), at_least(0.1):
        thread.start()
        sock.linger(PATIENCE_S)
    thread.join()


def test_lingering_ends_when_the_other_side_stays_silent(ends: Ends) -> None:
    sock, _ = ends
    with at_least(0.1):
        sock.linger(0.1)
