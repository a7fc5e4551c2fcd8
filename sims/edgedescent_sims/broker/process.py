"""Private MQTT broker on the loopback interface for demos and tests: mosquitto if installed, else amqtt."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from edgedescent.errors import ConfigError, TransportError

if TYPE_CHECKING:
    from edgedescent_mqtt.client import Protocol

BrokerKind = Literal["mosquitto", "amqtt"]

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_PORT_TRIES = 3

# The default of 1000 queued messages makes mosquitto drop what a slow subscriber has not received, while the
# publisher gets its acknowledgements. These limits suffice for any demo, and still bound the broker's memory.
_MOSQUITTO_CONFIG = """\
listener {port} {host}
allow_anonymous true
max_inflight_messages 1000
max_queued_messages 1000000
max_queued_bytes 268435456
set_tcp_nodelay true
connection_messages false
log_dest stderr
log_type error
log_type warning
persistence {persistence}
persistence_location {folder}/
"""


def find_mosquitto() -> str | None:
    """Return the path of mosquitto, None if it is not installed; Debian puts it outside a user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def available_kinds() -> tuple[BrokerKind, ...]:
    """Return the kinds of broker that are installed, the better first."""
    kinds: list[BrokerKind] = []
    if find_mosquitto() is not None:
        kinds.append("mosquitto")
    if importlib.util.find_spec("amqtt") is not None:
        kinds.append("amqtt")
    return tuple(kinds)


class BrokerProcess:
    """Broker in a process of its own, without passwords, that only this machine can reach.

    Use it in a `with` block, or call `start` and `close`. After `stop` or `kill`, `start` starts it again on
    the same port.

    Args:
        kind: Kind of broker; the best that is installed if None.
        port: Port to listen on; a free one if None.
        persistent: True keeps sessions and queued messages across `stop` (mosquitto only).

    Raises:
        ConfigError: If no such broker is installed, or it cannot persist.

    >>> with BrokerProcess() as broker:  # doctest: +SKIP
    ...     print(broker.url)
    mqtt://127.0.0.1:43115
    """

    host = "127.0.0.1"

    def __init__(self, *, kind: BrokerKind | None = None, port: int | None = None, persistent: bool = False) -> None:
        available = available_kinds()
        if not available or (kind is not None and kind not in available):
            raise ConfigError(
                f"No MQTT broker is installed{f' of the kind {kind}' if kind else ''}.",
                hint="Install mosquitto, or run: pip install 'edgedescent[demo]'",
            )
        self.kind: BrokerKind = kind or available[0]
        if persistent and self.kind == "amqtt":
            raise ConfigError("The embedded broker keeps nothing across a restart.", hint="Install mosquitto.")
        self.persistent = persistent
        self._given_port = port
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def port(self) -> int:
        """Port that it listens on; known once it was started."""
        if self._port is None:
            raise RuntimeError("The broker was not started yet.")
        return self._port

    @property
    def url(self) -> str:
        """Address to give to clients."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Versions of MQTT that it speaks, the better first."""
        return ("5", "3.1.1") if self.kind == "mosquitto" else ("3.1.1",)

    @property
    def running(self) -> bool:
        """True while its process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it accepts connections; does nothing if it is running.

        Raises:
            TransportError: If it does not start; the message holds the last line of its log.
        """
        if self.running:
            return
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="edgedescent-broker-")
        fixed = self._port is not None
        for _ in range(1 if fixed else _PORT_TRIES):
            # Another process may take a free port before the broker does: try more than one.
            port = self._port if self._port is not None else _free_port(self.host)
            fault = self._launch(port)
            if not fault:
                self._port = port
                return
        self.close()
        raise TransportError(f"The {self.kind} broker does not start: {fault}")

    def stop(self) -> None:
        """Ask it to end, and wait for that; a persistent one saves its sessions first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with nothing saved, as a power cut would."""
        self._end(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        """Send its process a signal, such as SIGSTOP.

        Raises:
            RuntimeError: If it is not running.
        """
        if self._process is None or not self.running:
            raise RuntimeError("The broker is not running.")
        self._process.send_signal(number)

    def save(self) -> None:
        """Make a persistent broker write its sessions to the disk, so that `kill` loses only what comes later.

        Raises:
            RuntimeError: If it is not running.
            TransportError: If it does not write them in time.
        """
        assert self._folder is not None, "it was not started"  # noqa: S101 -- a mistake of the caller's
        path = Path(self._folder.name) / "mosquitto.db"
        before = path.stat().st_mtime_ns if path.exists() else 0
        self.send_signal(signal.SIGUSR1)
        until = time.monotonic() + _START_TIMEOUT_S
        while not path.exists() or path.stat().st_mtime_ns == before:
            if time.monotonic() > until:
                raise TransportError(f"The {self.kind} broker does not save its sessions.")
            time.sleep(0.01)

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._port = self._given_port

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it and remove its files."""
        self.close()

    def _launch(self, port: int) -> str:
        """Return the reason why it did not start; an empty string if it did."""
        assert self._folder is not None  # noqa: S101 -- `start` has just made it
        if not _is_free(self.host, port):
            # Another program on the port would answer in the place of a broker that cannot start.
            return f"port {port} is in use"
        folder = Path(self._folder.name)
        log_path = folder / "broker.log"
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(folder, port),
                # The embedded broker ends when this pipe closes, so it cannot outlive its parent.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # In a session of its own it does not get Ctrl-C: the caller decides when it ends.
                start_new_session=True,
            )
        until = time.monotonic() + _START_TIMEOUT_S
        while self.running and time.monotonic() < until:
            if _accepts(self.host, port) and self.running:
                return ""
            time.sleep(0.02)
        self.kill()
        lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    def _command(self, folder: Path, port: int) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-m", "edgedescent_sims.broker.embedded", self.host, str(port)]
        program = find_mosquitto()
        if program is None:
            raise ConfigError("mosquitto is no longer installed.")
        config = _MOSQUITTO_CONFIG.format(
            port=port, host=self.host, folder=folder, persistence=str(self.persistent).lower()
        )
        if os.geteuid() == 0:
            config += "user root\n"  # Otherwise it becomes another user, who may not write into our folder.
        config_path = folder / "mosquitto.conf"
        config_path.write_text(config, encoding="utf-8")
        return [program, "-c", str(config_path)]

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As brokers do: connections that linger after a stop do not make the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
