from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.brokers import running_broker
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer


class Devices(Protocol):
    """Makes daemons that end with the test."""

    def __call__(self, port: int, *, device: str = "pump", **options: Any) -> DaemonProcess:
        """A daemon with a folder of its own, not yet started."""


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Devices]:
    with ExitStack() as stack:

        def make(port: int, *, device: str = "pump", **options: Any) -> DaemonProcess:
            folder = tmp_path / device
            folder.mkdir(exist_ok=True)
            daemon = DaemonProcess(folder, port, device=device, **options)
            stack.callback(daemon.kill)
            return daemon

        yield make


@pytest.fixture
def broker() -> Iterator[BrokerProcess]:
    """The best broker that is installed."""
    with running_broker() as running:
        yield running


@pytest.fixture
def settings(broker: BrokerProcess) -> str:
    """What the daemon must be told about `broker`."""
    return f'protocol = "{broker.protocols[0]}"'


@pytest.fixture
def peer(broker: BrokerProcess) -> Iterator[DevicePeer]:
    """Whoever sends to the device `pump` over `broker` and listens to it."""
    with DevicePeer(broker.port) as connected:
        yield connected
