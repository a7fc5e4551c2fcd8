"""Base class of the brokers under test: a process of its own on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from support.waiting import eventually

CACHE = Path(os.environ.get("BROKERS_CACHE", Path(__file__).resolve().parents[3] / "build" / "brokers"))
"""Folder in which `tests/brokers.sh` installs what this machine's packages do not have."""
DEBIAN = CACHE / "debian"
"""Root folder of Debian's unstable release."""
STOP_S = 30.0
"""Longest wait for a broker that was asked to end."""


@dataclass(frozen=True)
class Limitation:
    """Limitation of a broker: a part of the contract that it does not keep; docs/brokers.md gives the reason.

    Attributes:
        cell: What the table says instead of "once".
        warning: Pattern of what the daemon logs where it happens; none if the daemon does nothing wrong by it.
        loses: True if events may be lost.
        repeats: True if events may be learned twice.
    """

    cell: str
    warning: str = ""
    loses: bool = False
    repeats: bool = False


TWICE = Limitation("twice", warning="overlap: where the broker sends an event for each of them", repeats=True)
"""Of filters that cross: with MQTT 3.1.1 nothing tells the copies of an event apart that a broker sends for each."""


class Broker(ABC):
    """One broker with its settings; use it in a `with` block, `stop` and `start` keep port and folder.

    Args:
        packet_bytes: Largest message that it is to take; its default if None.
    """

    name: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]]
    """Versions of MQTT that it speaks."""
    limitations: ClassVar[Mapping[str, Limitation]] = {}
    """Limitations by case, or by case and protocol, such as "crossing 3.1.1"."""
    username: ClassVar[str | None] = None
    password: ClassVar[str] = ""
    packet_bytes: ClassVar[Mapping[str, int]] = {"5": 2_000, "3.1.1": 20_000}
    """A low limit for packets, by protocol. One that is not announced must be 16 KiB at least to be found out."""
    root: ClassVar[Path | None] = None
    """Root folder in which its program runs; that of this machine if None."""

    def __init__(self, packet_bytes: int | None = None) -> None:
        self._packet_bytes = packet_bytes
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        inside = None if self.root is None else self.root / "tmp"
        self.folder = Path(tempfile.mkdtemp(prefix="broker-", dir=inside))

    @classmethod
    @abstractmethod
    def missing(cls) -> str:
        """Return why it cannot run here; an empty string if it can."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Return the version of its program."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Write what it is configured by, and return the command that runs it in the foreground."""

    @classmethod
    def limitation(cls, case: str, protocol: str) -> Limitation | None:
        """Return what it does not keep of a case; None if it keeps all."""
        return cls.limitations.get(f"{case} {protocol}", cls.limitations.get(case))

    @property
    def settings(self) -> str:
        """Further lines of a daemon's configuration for it, beside its port and the protocol."""
        return "" if self.username is None else f'username = "{self.username}"\npassword_env = "BROKER_PASSWORD"\n'

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its process."""
        return dict(os.environ)

    def path(self, name: str) -> str:
        """Return the path of a file in its folder, as its program sees it."""
        path = self.folder / name
        return str(path) if self.root is None else f"/{path.relative_to(self.root)}"

    @classmethod
    def in_root(cls, *command: str) -> list[str]:
        """Return a command that runs in its root folder, where Erlang needs /proc too."""
        if cls.root is None:
            return list(command)
        enter = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "sh", "-c", enter, str(cls.root), *command]

    @classmethod
    def missing_in_root(cls, program: str) -> str:
        """Return why a program of its root folder cannot run; an empty string if it can."""
        if cls.root is None or not (cls.root / program).exists():
            return f"there is no {program} in {cls.root}"
        return "" if os.geteuid() == 0 else "only root can enter a root folder"

    def start(self) -> None:
        """Start it and wait until it accepts clients."""
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        eventually(lambda: self._accepts() or self._ended(), f"a connection to {self.name}")

    def _ended(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} ended:\n{self.log}"
        return False

    @property
    def log(self) -> str:
        """The end of its log."""
        return (self.folder / "broker.log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        self._end(signal.SIGTERM)

    def _end(self, how: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        until = time.monotonic() + STOP_S
        # Its group: some brokers are started by a script, which may end before them.
        while _signal_group(process.pid, how):
            process.poll()
            how = 0 if time.monotonic() < until else signal.SIGKILL
            time.sleep(0.05)
        process.wait()

    def close(self) -> None:
        """End it and remove its folder."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accepts(self) -> bool:
        accepted: list[bool] = []
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="probe", protocol=mqtt.MQTTv311)
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        client.on_connect = lambda _client, _data, _flags, reason, _properties: accepted.append(not reason.is_failure)
        try:
            client.connect("127.0.0.1", self.port)
        except OSError:
            return False
        for _ in range(20):
            if accepted or client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
                break
        client.disconnect()
        client.loop(0.1)
        return accepted == [True]


def _signal_group(pid: int, how: int) -> bool:
    """Send a signal to a group of processes, 0 for none; returns False if it has ended."""
    try:
        os.killpg(pid, how)
    except ProcessLookupError:
        return False
    return True


def free_port() -> int:
    """Return a port that is free now, and that no connection of another test is given before the broker takes it."""
    while True:
        # Below those that systems give to connections.
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def first_line(*command: str) -> str:
    """Return the first line that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0]
