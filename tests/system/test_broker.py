from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edgedescent.errors import ConfigError, TransportError
from edgedescent_sims.broker import process as broker_process
from edgedescent_sims.broker.process import BrokerKind, BrokerProcess, available_kinds
from support.brokers import running_broker
from support.waiting import eventually


def is_running(broker: BrokerProcess) -> bool:
    """Ask afresh: a type checker would take the first answer for all."""
    return broker.running


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_it_starts_stops_and_comes_back_on_the_same_port(kind: BrokerKind) -> None:
    with running_broker(kind) as broker:
        port = broker.port
        assert is_running(broker)
        assert broker.url == f"mqtt://127.0.0.1:{port}"
        assert "3.1.1" in broker.protocols
        broker.stop()
        assert not is_running(broker)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((broker.host, port))
        broker.start()
        assert broker.port == port
        socket.create_connection((broker.host, port)).close()
    assert not is_running(broker)


def test_a_port_in_use_is_told_in_one_line() -> None:
    with (
        running_broker() as first,
        pytest.raises(TransportError, match="broker does not start: port") as caught,
    ):
        BrokerProcess(kind=first.kind, port=first.port).start()
    assert "\n" not in str(caught.value)


def test_without_any_broker_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_process, "available_kinds", lambda: ())
    with pytest.raises(ConfigError, match="No MQTT broker is installed") as caught:
        BrokerProcess()
    assert "mosquitto" in caught.value.hint


def test_the_embedded_broker_cannot_persist() -> None:
    if "amqtt" not in available_kinds():
        pytest.skip("amqtt is not installed")
    with pytest.raises(ConfigError, match="keeps nothing"):
        BrokerProcess(kind="amqtt", persistent=True)


def test_the_embedded_broker_ends_with_its_parent(tmp_path: Path) -> None:
    if "amqtt" not in available_kinds():
        pytest.skip("amqtt is not installed")
    program = (
        "import os; from edgedescent_sims.broker.process import BrokerProcess\n"
        "broker = BrokerProcess(kind='amqtt'); broker.start(); print(broker._process.pid, flush=True); os._exit(1)"
    )
    # The parent cannot clean up after itself, so its files go where the test's do.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    ).stdout
    eventually(lambda: is_gone(int(output)), "the end of the broker")


def is_gone(pid: int) -> bool:
    """Whether a process has ended, even if nobody has asked for its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True
