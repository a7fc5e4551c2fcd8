"""A secret is never in a log, an error, a status or a file of ours, whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.command_line import run
from support.device_peer import DevicePeer
from support.event_streams import events
from support.secured_broker import SecuredBroker

SECRET = "correct-horse-7"
WRONG = "not-the-one-2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "broker"
    made.mkdir()
    return made


@pytest.mark.parametrize(
    ("secret", "source", "style"),
    [
        (SECRET, "file", "text"),
        (SECRET, "credential", "json"),
        (WRONG, "environment", "json"),
        (WRONG, "credential", "text"),
    ],
)
def test_no_output_holds_a_secret(folder: Path, make_daemon: Any, style: str, source: str, secret: str) -> None:
    path = folder / "mqtt_password"
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    given = {
        "file": f'password_file = "{path}"',
        "environment": 'password_env = "BROKER_PASSWORD"',
        "credential": 'password_file = "$CREDENTIALS_DIRECTORY/mqtt_password"',
    }[source]
    environment = {"BROKER_PASSWORD": secret, "CREDENTIALS_DIRECTORY": str(folder)}
    with SecuredBroker(folder, users={"pump": SECRET}) as broker:
        daemon = make_daemon(
            broker.port,
            broker=f'username = "pump"\nreconnect_max_s = 0.3\n{given}',
            environment={**environment, "EDGEDESCENT_LOGS__FORMAT": style},
        )
        with daemon:
            if secret == SECRET:
                with DevicePeer(broker.port, username="pump", password=SECRET) as peer:
                    daemon.logged("Receiving edgedescent/")
                    peer.send([*events(0, 5), b"nonsense"])
                    daemon.counted(5)
                    assert secret.encode() not in b"".join(payload for _, payload, _ in peer.received)
                daemon.stop()
            else:
                daemon.logged("it refused the connection", 2)
                daemon.stop()
        others = [
            subprocess.run(
                [sys.executable, "-m", "edgedescent", *words, str(daemon.config_path)],
                capture_output=True,
                check=False,
                env={**daemon._environment},
            )
            for words in (["check"], ["check", "--json"], ["run", "--verbose", "--dry-run", "--seconds", "0.5"])
        ]
    assert {other.returncode for other in others} == ({0} if secret == SECRET else {1})
    written = [other.stdout + other.stderr for other in others]
    written += [file.read_bytes() for file in daemon.state_path.rglob("*") if file.is_file()]
    written += [daemon.log.encode(), (folder / "mosquitto.log").read_bytes()]
    assert not any(secret.encode() in text for text in written)


@pytest.mark.parametrize(
    ("broker", "message"),
    [
        (f'password = "{SECRET}"', "`broker.password` is refused: a secret is never part of the configuration."),
        (f'Password = "{SECRET}"', "`broker.Password` is refused: a secret is never part of the configuration."),
        (f'host = "mqtt://pump:{SECRET}@broker.example"', "`broker.host` is an address with more than a name in it"),
        (f'host = "pump:{SECRET}@broker.example"', "`broker.host` is an address with more than a name in it"),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_secret_in_the_configuration_is_refused_and_not_shown(
    tmp_path: Path, broker: str, message: str, command: str
) -> None:
    path = tmp_path / "device.toml"
    path.write_text(f'device = "pump"\n[learner]\ntype = "LinearRegressor"\n[broker]\n{broker}\n')
    result = run(command, path)
    assert result.exit_code == os.EX_CONFIG
    assert result.stderr.startswith(f"Error: {path}: {message}")
    assert " Hint: " in result.stderr
    assert "password_file" in result.stderr
    assert result.stderr.count("\n") == 1
    assert SECRET not in result.output


def test_a_secret_in_a_variable_of_ours_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.toml"
    path.write_text('device = "pump"\n[learner]\ntype = "LinearRegressor"\n')
    monkeypatch.setenv("EDGEDESCENT_BROKER__PASSWORD", SECRET)
    result = run("check", path, "--offline")
    assert result.exit_code == os.EX_CONFIG
    assert "It is set by the environment variable EDGEDESCENT_BROKER__PASSWORD." in result.stderr
    assert SECRET not in result.output


def test_a_password_in_the_address_of_a_replay_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for url in (f"mqtt://pump:{SECRET}@localhost", f"mqtt://pump:{SECRET}@", f"http://pump:{SECRET}@localhost"):
        result = run("replay", tmp_path / "a.csv", "--to", url, "--target", "b")
        assert result.exit_code == 1
        assert SECRET not in result.output


def test_a_credential_without_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    path = tmp_path / "device.toml"
    for given in (
        'username = "pump"\npassword_file = "$CREDENTIALS_DIRECTORY/mqtt_password"',
        '[broker.tls]\ncert_file = "$CREDENTIALS_DIRECTORY/device.pem"',
    ):
        path.write_text(f'device = "pump"\n[learner]\ntype = "LinearRegressor"\n[broker]\n{given}\n')
        result = run("check", path, "--offline")
        assert result.exit_code == os.EX_CONFIG
        assert "the variable CREDENTIALS_DIRECTORY is not set. Hint: systemd sets it" in result.stderr


def test_a_password_that_everybody_can_read_is_warned_of_once(folder: Path, make_daemon: Any) -> None:
    path = folder / "secret"
    path.write_text(WRONG)
    path.chmod(0o644)
    with (
        SecuredBroker(folder, users={"pump": SECRET}) as broker,
        make_daemon(
            broker.port, broker=f'username = "pump"\npassword_file = "{path}"\nreconnect_max_s = 0.2'
        ) as daemon,
    ):
        daemon.logged("it refused the connection", 3)
        assert daemon.log.count(f"Every user of this machine can read {path}") == 1
        daemon.stop()
