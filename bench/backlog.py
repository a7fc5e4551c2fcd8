"""A broker with a backlog: what makes every consumer of a benchmark face the same messages at the same speed."""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mqtt_packets import packet, text

from edgedescent.errors import TransportError
from edgedescent_sims.broker.process import find_mosquitto

# Nothing is dropped, however long a consumer stands still, and each may have as many messages on the way as the
# daemon asks for by default.
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
persistence false
log_dest file {log}
log_type error
log_type subscribe
"""
_PATIENCE_S = 20.0
_READ_BYTES = 1 << 20


def find_client() -> str | None:
    """The path of `mosquitto_sub`; None if it is not installed."""
    return shutil.which("mosquitto_sub")


class BacklogBroker:
    """A mosquitto of its own on a free loopback port; use it in a `with` block.

    Raises:
        TransportError: if it is not installed or does not start.
    """

    def __init__(self) -> None:
        program = find_mosquitto()
        if program is None:
            raise TransportError("mosquitto is not installed.", "On Debian: apt-get install mosquitto")
        self._program = program

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="edgedescent-bench-")
        folder = Path(self._folder.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._log = folder / "broker.log"
        config = _CONFIG.format(port=self.port, log=self._log)
        if os.geteuid() == 0:
            config += "user root\n"  # Otherwise it becomes another user, who may not write into our folder.
        path = folder / "mosquitto.conf"
        path.write_text(config, encoding="utf-8")
        self._process = subprocess.Popen(
            [self._program, "-c", str(path)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._wait_for(self._accepts, "the broker does not accept connections")
        except TransportError:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def wait_for_subscription(self, client_id: str) -> None:
        """Wait until a client has subscribed.

        Raises:
            TransportError: if it does not in good time.
        """
        # A line of this log is the time, the client, the QoS and the topic.
        line = re.compile(rf"^\d+: {re.escape(client_id)} [01] ", re.MULTILINE)
        self._wait_for(
            lambda: self._log.exists() and line.search(self._log.read_text(encoding="utf-8")) is not None,
            f"{client_id} does not subscribe",
        )

    def _accepts(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _wait_for(self, come: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not come():
            if time.monotonic() > until or self._process.poll() is not None:
                raise TransportError(f"Within {_PATIENCE_S:g} s {what}.")
            time.sleep(0.02)


def publish(port: int, topics: Sequence[str], payloads: Sequence[bytes]) -> None:
    """Publish on topics in turn with QoS 1, as fast as the broker takes it, until it has confirmed every message.

    The packets are put together beforehand and sent in one go (MQTT 3.1.1, sections 3.1 and 3.3). A client library
    would be the slowest part of the whole benchmark.

    Raises:
        TransportError: if the broker closes the connection or stops answering.
    """
    connect = b"\0\4MQTT\4\2\0\0\0\0"
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as sock:
        sock.sendall(packet(0x10, connect))
        _receive(sock, 4)
        sock.setblocking(False)
        heads = [text(topic) for topic in topics]
        packets = b"".join(
            packet(0x32, heads[i % len(heads)] + (i % 65_535 + 1).to_bytes(2, "big") + payload)
            for i, payload in enumerate(payloads)
        )
        _send_and_count(sock, memoryview(packets), 4 * len(payloads))


def _send_and_count(sock: socket.socket, unsent: memoryview, expected: int) -> None:
    """Send everything, and read as many bytes of confirmations, four for each message."""
    poll = select.poll()
    while expected > 0:
        poll.register(sock, select.POLLIN | (select.POLLOUT if unsent else 0))
        events = poll.poll(_PATIENCE_S * 1000)
        if not events:
            raise TransportError("The broker has stopped to take messages.")
        if events[0][1] & select.POLLOUT:
            unsent = unsent[sock.send(unsent[:_READ_BYTES]) :]
        if events[0][1] & ~select.POLLOUT:
            expected -= len(_receive(sock, _READ_BYTES))


def _receive(sock: socket.socket, size: int) -> bytes:
    data = sock.recv(size)
    if not data:
        raise TransportError("The broker has closed the publisher's connection.")
    return data
