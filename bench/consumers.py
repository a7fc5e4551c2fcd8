"""Consumers that `daemon.py` compares: processes that take messages from a broker, and their timing."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from backlog import find_client

from edgedescent.state.lock import note_of

TOPIC = "bench/events"
N_TOPICS = 20
LABEL_TOPIC = f"{TOPIC}/label"
TOPICS = [*(f"{TOPIC}/{i}" for i in range(1, N_TOPICS)), LABEL_TOPIC]
"""Topics of bare numbers that make an event together, the label last."""
KEEPALIVE_S = 3600
"""Nobody pings while it stands still."""
STATUS_S = 0.05
"""Interval of the daemon's status."""
PATIENCE_S = 120.0


@dataclass(frozen=True)
class Load:
    """Messages that every consumer is sent.

    Args:
        warm_up: the first messages, which are not timed.
        backlog: the messages that are.
        topics: their topics, which take turns.
    """

    warm_up: Sequence[bytes]
    backlog: Sequence[bytes]
    topics: Sequence[str] = (TOPIC,)


@dataclass(frozen=True)
class Drained:
    """Speed, cost and memory of a consumer over the backlog."""

    messages_per_s: float
    cpu_us_per_message: float
    broker_us_per_message: float
    """CPU time of the broker meanwhile."""
    memory_mib: float
    """The most it held."""


class Consumer(ABC):
    """A process that subscribes to `TOPIC`; use it in a `with` block.

    Args:
        folder: an empty one of its own.
        port: of the broker.
        qos: of its subscription.
        load: what it will be sent.
    """

    client_id = "bench"

    def __init__(self, folder: Path, port: int, qos: int, load: Load) -> None:
        self.folder, self.port, self.qos, self.load = folder, port, qos, load
        self._log = folder / "log"

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be measured here; None if it can."""
        return None

    @abstractmethod
    def command(self) -> list[str]:
        """Command that starts it."""

    @abstractmethod
    def warmed_up(self) -> bool:
        """True once it has taken the first messages, as far as can be seen from outside."""

    @abstractmethod
    def finished(self, timeout_s: float) -> bool:
        """True once it has taken every message; waits a little for that."""

    def messages_per_s(self, started_at: float) -> float:
        """Result of a finished consumer that started at `started_at`, by `time.time`."""
        return len(self.load.backlog) / (time.time() - started_at)

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._ended = select.poll()
        self._pidfd = os.pidfd_open(self._process.pid)
        self._ended.register(self._pidfd, select.POLLIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._pidfd)
        self._process.kill()
        self._process.wait()

    def drain(self, fill: Callable[[Sequence[bytes]], None], broker_pid: int) -> Drained:
        """Publish the backlog with `fill` while the process stands still, then let it loose and watch.

        Raises:
            RuntimeError: if it ends too early or does not come to an end.
        """
        fill(self.load.warm_up)
        self._until(self.warmed_up)
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        fill(self.load.backlog)
        cpu_s, broker_s, memory_mib = cpu_seconds(pid), cpu_seconds(broker_pid), peak_mib(pid)
        started_at = time.time()
        os.kill(pid, signal.SIGCONT)
        self._until(lambda: self.finished(0.005))
        us_per_s = 1e6 / len(self.load.backlog)
        cpu_us, broker_us = (cpu_seconds(pid) - cpu_s) * us_per_s, (cpu_seconds(broker_pid) - broker_s) * us_per_s
        speed = self.messages_per_s(started_at)
        if not self.ended(0):
            memory_mib = max(memory_mib, peak_mib(pid))
        return Drained(speed, cpu_us, broker_us, memory_mib)

    def ended(self, timeout_s: float) -> bool:
        """True once the process has ended; it is not reaped, because its times in /proc are still to be read."""
        return bool(self._ended.poll(timeout_s * 1000))

    def _until(self, come: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not come():
            if self.ended(0) and not come():
                raise RuntimeError(f"{' '.join(self.command())} ended too early: {self._log.read_text()[-500:]}")
            if time.monotonic() > until:
                raise RuntimeError(f"{' '.join(self.command())} was not ready within {PATIENCE_S:g} s.")


class _Exiting(Consumer):
    """A consumer that ends with its last message, and tells nothing before."""

    @property
    def count(self) -> int:
        """Of all messages."""
        return len(self.load.warm_up) + len(self.load.backlog)

    def warmed_up(self) -> bool:
        """After half a second, which is plenty."""
        time.sleep(0.5)
        return True

    def finished(self, timeout_s: float) -> bool:
        """True once it has ended."""
        return self.ended(timeout_s)


class MosquittoSub(_Exiting):
    """Mosquitto's own client, in C, which writes each payload to /dev/null."""

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be measured here; None if it can."""
        return None if find_client() else "mosquitto_sub is not installed; on Debian: apt-get install mosquitto-clients"

    def command(self) -> list[str]:
        """Command that starts it."""
        words = [str(find_client()), "-p", str(self.port), "-i", self.client_id, "-t", TOPIC, "-q", str(self.qos)]
        words += ["-k", str(KEEPALIVE_S), "-C", str(self.count)]
        # No variable of ours stands in the text.
        return ["sh", "-c", 'exec "$@" > /dev/null', "sh", *words]


class RiverScript(_Exiting):
    """`river_script.py`."""

    @staticmethod
    def missing() -> str | None:
        """Why it cannot be measured here; None if it can."""
        return None if find_spec("river") else "River is not installed; pip install 'edgedescent[bench]'"

    def command(self) -> list[str]:
        """Command that starts it."""
        script = str(Path(__file__).with_name("river_script.py"))
        return [sys.executable, script, str(self.port), self.client_id, TOPIC, str(self.qos), str(self.count)]


class OurDaemon(Consumer):
    """`edgedescent run` with a new state folder.

    It learns a linear model with Adam, the default of version 0.1.0, so that daemons of all versions do the same work.
    It journals every message and publishes every prediction, as always. How far it is, it tells in its status file,
    every `STATUS_S` instead of every 10 s.
    """

    client_id = "edgedescent-bench"
    durability = "power"
    tables = f'[topics]\nevents = ["{TOPIC}"]\n'
    """Tables of the configuration that say what its events are."""

    def command(self) -> list[str]:
        """Command that starts it."""
        config = self.folder / "device.toml"
        config.write_text(
            f'device = "bench"\nmetrics.interval_s = {STATUS_S}\n{self.tables}'
            f'[learner]\ntype = "LinearRegressor"\noptimizer.type = "Adam"\n'
            f'[state]\npath = "{self.folder / "state"}"\ndurability = "{self.durability}"\n'
            f'[broker]\nhost = "127.0.0.1"\nport = {self.port}\nqos = {self.qos}\nkeepalive_s = {KEEPALIVE_S}\n',
            encoding="utf-8",
        )
        self._last: tuple[float, int] = (0.0, 0)
        return [sys.executable, "-m", "edgedescent", "run", str(config)]

    def warmed_up(self) -> bool:
        """By its status."""
        return self._come_to(len(self.load.warm_up))

    def finished(self, timeout_s: float) -> bool:
        """By its status."""
        if self._come_to(len(self.load.warm_up) + len(self.load.backlog)):
            return True
        time.sleep(timeout_s)
        return False

    def messages_per_s(self, started_at: float) -> float:
        """By the last status before the end, which tells both how far it was and when."""
        at, count = self._last
        done = count - len(self.load.warm_up)
        return done / (at - started_at) if done > 0 and at > started_at else super().messages_per_s(started_at)

    def _come_to(self, count: int) -> bool:
        try:
            # The daemon notes in its lock where its status is.
            status = json.loads((Path(note_of(self.folder / "state")) / "status.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return False
        if status["dead_letters"]:
            raise RuntimeError(f"The daemon refused {status['dead_letters']} events.")
        if status["messages"] < count:
            self._last = (status["time"], status["messages"])
            return False
        return True


class OurDaemonProcess(OurDaemon):
    """The same, with what it journals left to the operating system to write: durable but for a power cut."""

    durability = "process"


class OurFusion(OurDaemon):
    """The same for bare numbers on many topics, which become an event when that of the label arrives."""

    tables = (
        f'[inputs.sensors]\ntopics = ["{TOPIC}/{{sensor}}"]\nexclude = ["{LABEL_TOPIC}"]\nformat = "scalar"\n'
        f'[inputs.meter]\ntopics = ["{LABEL_TOPIC}"]\nformat = "scalar"\n'
        '[label]\ninput = "meter"\nfeature = "meter"\n'
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (proc(5), fields 14 and 15 of stat), in steps of mostly 10 ms."""
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most memory that a process has held so far."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
