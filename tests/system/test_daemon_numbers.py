"""A broker that numbers the messages of each connection from 1, and the daemon killed in between."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from types import TracebackType
from typing import Any, Self

import pytest

from support.mqtt_packets import CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH, SUBSCRIBE, packet, split_packets
from support.waiting import eventually


class NumberingBroker:
    """Broker of MQTT 3.1.1 for one device: what was not acknowledged comes again, in order, as 1, 2, 3 and so on.

    Args:
        forgets: True makes each connection a new session, which keeps nothing.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self.port: int = self._server.getsockname()[1]
        self._forgets = forgets
        self._lock = threading.Lock()
        self._known = False
        self._waiting: deque[tuple[bytes, bool]] = deque()
        """Payloads, and whether they were sent before."""
        self._in_flight: dict[int, bytes] = {}
        self._link: socket.socket | None = None
        self._last_id = 0
        self.acknowledged = 0
        self.holds = False
        """True to ignore acknowledgements, as if they had not arrived."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        self._server.close()

    def send(self, *payloads: bytes) -> None:
        """Send to the device, or keep until it is there."""
        with self._lock:
            self._waiting += [(payload, False) for payload in payloads]
            self._deliver()

    @property
    def pending(self) -> int:
        """Number of messages that the device has not acknowledged."""
        return len(self._waiting) + len(self._in_flight)

    def _deliver(self) -> None:
        while self._link is not None and self._waiting:
            payload, again = self._waiting.popleft()
            self._last_id += 1
            self._in_flight[self._last_id] = payload
            topic = b"edgedescent/pump/events"
            body = len(topic).to_bytes(2, "big") + topic + self._last_id.to_bytes(2, "big") + payload
            self._link.sendall(packet(PUBLISH, 2 | again << 3, body))

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                link = self._server.accept()[0]
            except TimeoutError:
                continue
            with link:
                link.settimeout(0.05)
                self._serve_link(link)
            with self._lock:
                self._link = None
                self._waiting.extendleft((payload, True) for payload in reversed(self._in_flight.values()))
                self._in_flight.clear()
                self._last_id = 0
                if self._forgets:
                    self._waiting.clear()
                    self._known = False

    def _serve_link(self, link: socket.socket) -> None:
        received, taken = bytearray(), 0
        while not self._ending.is_set():
            try:
                if not (chunk := link.recv(65_536)):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
            received += chunk
            for kind, flags, content, end in split_packets(received, taken):
                taken = end
                with self._lock:
                    if kind == DISCONNECT:
                        return
                    self._handle(link, kind, flags, content)

    def _handle(self, link: socket.socket, kind: int, flags: int, content: bytes) -> None:
        if kind == CONNECT:
            link.sendall(bytes([0x20, 2, self._known, 0]))
            self._known = True
        elif kind == SUBSCRIBE:
            link.sendall(b"\x90\x03" + content[:2] + b"\x01")
            self._link = link
            self._deliver()
        elif kind == PINGREQ and not self.holds:
            link.sendall(b"\xd0\0")
        elif kind == PUBACK and not self.holds:
            self.acknowledged += self._in_flight.pop(int.from_bytes(content, "big"), None) is not None
        elif kind == PUBLISH and flags & 6:
            end = 2 + int.from_bytes(content[:2], "big")
            link.sendall(b"\x40\x02" + content[end : end + 2])


EVENT = json.dumps({"x": {"a": 21.5}, "y": 1}).encode()


def confirmed(daemon: Any, position: int) -> None:
    """Wait until the daemon has noted that the broker has its acknowledgements."""
    note = daemon.state_path / "edgedescent.position"
    eventually(lambda: int(note.read_bytes().split()[1]) == position, "the note")


def test_no_equal_message_is_lost_or_learned_twice(make_daemon: Any) -> None:
    with NumberingBroker() as broker:
        daemon = make_daemon(broker.port, broker='protocol = "3.1.1"', tables="[limits]\nredelivery_window = 5000")
        sent = 0
        with daemon:
            for life in range(1, 6):
                daemon.connected(life)
                broker.send(*[EVENT] * 10)
                sent += 10
                eventually(lambda: broker.pending == 0, "the acknowledgements")
                confirmed(daemon, len(daemon.journal()))
                # Killed before the commit: all of these come again, with the packet ids of those before.
                broker.send(*[EVENT] * 10)
                sent += 10
                daemon.kill()
                daemon.start()
            daemon.connected(6)
            daemon.counted(sent)
            eventually(lambda: broker.pending == 0, "the acknowledgements")
            # Killed between the commit and the arrival of its acknowledgements: nothing counts twice.
            confirmed(daemon, len(daemon.journal()))
            broker.holds = True
            broker.send(*[EVENT] * 10)
            sent += 10
            eventually(lambda: len(daemon.journal()) >= sent, "the commit")
            daemon.kill()
            broker.holds = False
            daemon.start()
            daemon.connected(7)
            broker.send(EVENT)
            eventually(lambda: broker.pending == 0, "the acknowledgements")
            daemon.stop()
        engine = daemon.recovered()
        assert engine.counters["events_learned"] == sent + 1
        assert engine.counters["messages_redelivered"] == 10


@pytest.mark.parametrize("qos", [1, 0])
def test_a_session_lost_while_it_was_down_is_said(make_daemon: Any, qos: int) -> None:
    with NumberingBroker(forgets=True) as broker:
        options = f'protocol = "3.1.1"\nqos = {qos}\nclient_id = "pump-1"'
        with make_daemon(broker.port, broker=options) as daemon:
            daemon.connected()
            assert daemon.counted(0, "position")["sessions_lost"] == 0
            assert "did not keep the session" not in daemon.log
            daemon.stop()
            daemon.start()
            daemon.connected(2)
            said = daemon.log.count("WARNING The broker did not keep the session while the daemon was down")
            assert said == qos
            daemon.counted(qos, "sessions_lost")
            daemon.stop()
            # Another client id begins another session, which is said and not taken for a loss.
            text = daemon.config_path.read_text()
            daemon.config_path.write_text(text.replace("pump-1", "pump-2"))
            daemon.start()
            daemon.connected(3)
            assert "WARNING The session is a new one: it was that of 'pump-1'" in daemon.log
            assert daemon.log.count("did not keep the session") == qos
            daemon.stop()
