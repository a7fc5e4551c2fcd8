"""Fixtures and the table of the contract that is tried on every broker: `make brokers`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from brokers.kinds import KINDS
from brokers.kinds.base import Broker, Limitation
from brokers.table import KEPT, NO_LIMIT, rows
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer

_DEVICES = count(1)


@dataclass
class Target:
    """A running broker, the version of MQTT to speak, and a device that no other test uses."""

    broker: Broker
    protocol: str
    device: str

    def peer(self) -> DevicePeer:
        """A client that sends to the device and listens to it."""
        return DevicePeer(self.broker.port, self.device, self.broker.username, self.broker.password)

    def topics(self, *names: str) -> list[str]:
        """Topic filters of the device's."""
        return [f"edgedescent/{self.device}/{name}" for name in names]

    def limitation(self, case: str) -> Limitation | None:
        """Limitation of the broker in a case."""
        return self.broker.limitation(case, self.protocol)


class Brokers:
    """Brokers that run until the session ends, started when they are asked for."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[tuple[type[Broker], int | None], Broker] = {}

    def get(self, kind: type[Broker], packet_bytes: int | None = None) -> Broker:
        """Return the broker of a kind that takes packets of a size."""
        key = (kind, packet_bytes)
        if key not in self._running:
            broker = kind(packet_bytes)
            self._stack.callback(broker.close)
            broker.start()
            self._running[key] = broker
        return self._running[key]

    def close(self) -> None:
        """End all."""
        self._stack.close()


@pytest.fixture(scope="session")
def brokers() -> Iterator[Brokers]:
    started = Brokers()
    yield started
    started.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spoken" in metafunc.fixturenames:
        pairs = [(kind, protocol) for kind in KINDS for protocol in kind.protocols]
        metafunc.parametrize(
            "spoken",
            [
                pytest.param(pair, id=f"{pair[0].name} {pair[1]}", marks=pytest.mark.xdist_group(pair[0].name))
                for pair in pairs
            ],
        )


@pytest.fixture
def kind(spoken: tuple[type[Broker], str], record_property: Any) -> type[Broker]:
    kind, protocol = spoken
    record_property("broker", kind.name)
    record_property("protocol", protocol)
    if why := kind.missing():
        record_property("missing", why)
        pytest.skip(why)
    return kind


@pytest.fixture
def target(kind: type[Broker], spoken: tuple[type[Broker], str], brokers: Brokers) -> Target:
    return Target(brokers.get(kind), spoken[1], f"device{next(_DEVICES)}")


@pytest.fixture
def make_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with ExitStack() as stack:

        def make(
            target: Target, *, broker: str = "", topics: list[str] | None = None, tables: str = ""
        ) -> DaemonProcess:
            monkeypatch.setenv("BROKER_PASSWORD", target.broker.password)
            names = "" if topics is None else "[topics]\nevents = [" + ", ".join(f'"{name}"' for name in topics) + "]\n"
            daemon = DaemonProcess(
                tmp_path,
                target.broker.port,
                device=target.device,
                broker=f'protocol = "{target.protocol}"\nreconnect_max_s = 0.5\n{target.broker.settings}{broker}',
                tables=names + tables,
            )
            stack.callback(daemon.kill)
            return daemon

        yield make


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers from a seed that a failed test prints."""
    given: int | None = request.config.getoption("seed")
    seed = random.randrange(2**32) if given is None else given
    print(f"repeat with: make brokers ARGS=\"-k '{request.node.name}' --seed {seed}\"")
    return random.Random(seed)


# --- The table --------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results())


class Results:
    """Results of the session: the table at its end, and a failure if no broker ran."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str], str] = {}
        self._missing: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = dict(report.user_properties)
        if "missing" in found:
            self._missing[str(found["broker"])] = str(found["missing"])
        elif "case" in found and (report.when == "call" or report.failed):
            key = str(found["broker"]), str(found["protocol"]), str(found["case"])
            self._cells[key] = cell_of(report, found)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        ran = tuple(kind for kind in KINDS if any(name == kind.name for name, _, _ in self._cells))
        terminalreporter.section("brokers")
        if ran:
            lines = rows(lambda kind, protocol, case: self._cells.get((kind.name, protocol, case), "not run"), ran)
            terminalreporter.write_line("\n".join(lines))
        for kind in ran:
            terminalreporter.write_line(f"{kind.name}: version {kind.version()}")
        for name, why in self._missing.items():
            terminalreporter.write_line(f"{name}: skipped, because {why}")
        if not ran:
            terminalreporter.write_line("No broker ran.", red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._cells and not session.config.option.collectonly:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def cell_of(report: pytest.TestReport, found: dict[str, object]) -> str:
    """Return the text of a cell for what a test has found."""
    if report.skipped:
        return NO_LIMIT
    if report.failed:
        return "FAILED"
    parts = [f"{found[name]} {name}" for name in ("lost", "twice") if found.get(name)]
    return ", ".join(parts) or KEPT
