"""The daemon as a child process, and what it must have learned."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from edgedescent import config as configuration
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.state.lock import note_of
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from support.state_folder import bits
from support.waiting import PATIENCE_S, eventually

_Answer = TypeVar("_Answer")


class DaemonProcess:
    """`edgedescent run` on a configuration of its own; ends with the `with` block at the latest.

    Args:
        folder: Folder of configuration, log and state.
        port: Port of the broker.
        device: Name in topics and MQTT client id.
        broker: Further lines of the table `[broker]`.
        tables: Further tables.
        learner: Type of the learner.
        parameters: Further lines of the table `[learner]`.
        metrics_s: Interval of metrics and status.
        environment: Further environment variables.
        wrapper: Command that starts the daemon in its own process, such as a tracer.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        device: str = "pump",
        broker: str = "",
        tables: str = "",
        learner: str = "LinearRegressor",
        parameters: str = "",
        metrics_s: float = 0.1,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.device = device
        self.config_path = folder / "device.toml"
        self.log_path = folder / "daemon.log"
        self.state_path = folder / "state"
        self._environment = {**os.environ, **(environment or {})}
        self.wrapper = wrapper
        self.stderr: int | None = None
        """Descriptor for the log instead of the file at `log_path`."""
        self._process: subprocess.Popen[bytes] | None = None
        host = "" if "host" in broker else 'host = "127.0.0.1"\n'
        bound = "" if "reconnect_max_s" in broker else "reconnect_max_s = 2.0\n"
        state = "" if "[state]" in tables else f'[state]\npath = "{self.state_path}"\n'
        self.config_path.write_text(
            f'device = "{device}"\n[learner]\ntype = "{learner}"\n{parameters}\n'
            f"{state}[metrics]\ninterval_s = {metrics_s}\n"
            f"[broker]\n{host}port = {port}\nreconnect_min_s = 0.1\n{bound}{broker}\n{tables}\n"
        )

    def start(self) -> Self:
        """Start the process; it continues from the state folder."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "edgedescent", "run", str(self.config_path)],
                stderr=log if self.stderr is None else self.stderr,
                env=self._environment,
            )
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if kind is not None:
            print(f"--- log of the daemon {self.device}\n{self.log}")

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """True until the process ends."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_stopped(self) -> bool:
        """True once SIGSTOP has taken effect and no system call is under way."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def kill(self) -> None:
        """End the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self._process is not None, "it was not started"
        self._process.send_signal(number)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait until the process has ended with exit code 0."""
        self.send_signal(how)
        code = self.wait()
        assert code == 0, f"exit code {code}"

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait until the process ends; returns its exit code."""
        assert self._process is not None, "it was not started"
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    @property
    def log(self) -> str:
        """Text of the log over all runs."""
        return self.log_path.read_text()

    def logged(self, pattern: str, count: int = 1, timeout_s: float = PATIENCE_S) -> list[str]:
        """Wait until the log has `count` matches of a pattern; returns all matches."""
        return eventually(
            lambda: found if len(found := re.findall(pattern, self.log)) >= count else self._alive([]),
            f"{count} times {pattern!r} in the log:\n{self.log}",
            timeout_s,
        )

    def connected(self, count: int = 1) -> Self:
        """Wait until it has subscribed for the `count`-th time over all runs."""
        self.logged(r"INFO Receiving edgedescent/", count)
        return self

    def memory_mib(self) -> tuple[float, float]:
        """Resident memory now, and its maximum in this run."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest}
        return kib["VmRSS"] / 1024, kib["VmHWM"] / 1024

    def status(self) -> dict[str, Any]:
        """Last status that this run has written; empty before the first."""
        try:
            status: dict[str, Any] = json.loads((Path(note_of(self.state_path)) / "status.json").read_bytes())
        except (FileNotFoundError, ValueError):
            # After a power cut it may be empty: it is not synced.
            return {}
        return status if status["pid"] == self.pid else {}

    def counted(self, count: int, name: str = "events_learned") -> dict[str, Any]:
        """Wait until a counter of the status is at least `count`; returns the status.

        A slow daemon is not one that hangs: the deadline is for the counter's next change.
        """
        seen, until = -1, 0.0
        while (now := (status := self.status()).get(name, 0)) < count:
            self._alive(None)
            if now != seen:
                seen, until = now, time.monotonic() + PATIENCE_S
            assert time.monotonic() < until, f"{name} stays at {now} of {count} for {PATIENCE_S:g} s; status: {status}"
            time.sleep(0.02)
        return status

    def _alive(self, answer: _Answer) -> _Answer:
        """Return `answer`, or fail if the process has ended: nothing is waited for in vain."""
        assert self._process is None or self._process.poll() is None, f"it ended:\n{self.log}"
        return answer

    # --- What is in its state folder ------------------------------------------------------------------------------

    @property
    def config(self) -> configuration.Config:
        """Its configuration."""
        return configuration.load(self.config_path, {})

    def journal(self) -> list[Message]:
        """All messages of the journal."""
        store = Store(self.state_path, read_only=True)
        try:
            return list(store.read(after=0))
        finally:
            store.close()

    def recovered(self) -> Engine:
        """The engine as the next start recovers it."""
        store = Store(self.state_path, read_only=True)
        try:
            return recover(self.config, store)
        finally:
            store.close()

    def replayed(self) -> Engine:
        """An engine of the same configuration that has learned the journal, which must be complete."""
        engine = self.config.build_engine()
        for message in self.journal():
            engine.handle(message)
        return engine

    def undisturbed(self, payloads: Iterable[bytes]) -> Engine:
        """An engine of the same configuration that has learned these payloads in order, without a restart."""
        engine = self.config.build_engine()
        # Ids belong to it.
        (topic,) = self.config.event_topics()
        for position, payload in enumerate(payloads, start=1):
            engine.handle(Message(position, 0.0, topic, payload))
        return engine


def assert_same_learning(one: Engine, other: Engine) -> None:
    """Check that two engines learned the same bits; positions, repeats and packet ids may differ."""
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    for name in left:
        # Alarms say when and where they were raised.
        if name.startswith(("position", "counter", "redeliveries", "copies", "drift.latest")):
            continue
        if isinstance(left[name], list):
            assert left[name] == right[name], name
        else:
            assert left[name].tobytes() == right[name].tobytes(), name
    assert one.counters["events_learned"] == other.counters["events_learned"]


def assert_each_learned_once(daemon: DaemonProcess, payloads: list[bytes], status: dict[str, Any], sent: int) -> None:
    """Check that a daemon has learned all `sent` events once each, with the bits of one that never stopped."""
    journal = [message.payload for message in daemon.journal()]
    assert status["events_learned"] == sent
    assert status["dead_letters"] == 0
    assert not Counter(payloads) - Counter(journal), "lost"
    assert set(journal) == set(payloads)
    engine = daemon.recovered()
    assert_same_learning(engine, daemon.undisturbed(payloads))
    assert bits(engine) == bits(daemon.replayed())
    assert "Traceback" not in daemon.log
