"""`edgedescent check` against real brokers: what it finds, and that it leaves everything as it was."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.certificates import make_authority, make_certificate
from support.command_line import run
from support.device_peer import DevicePeer
from support.event_streams import event, events
from support.fake_broker import AnsweringBroker
from support.secured_broker import SecuredBroker

SECRET = "correct-horse-7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "broker"
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    """A broker that lets anyone in."""
    with SecuredBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def write(folder: Path, broker: str = "", tables: str = "") -> Path:
    path = folder / "device.toml"
    text = f'device = "pump"\n[learner]\ntype = "LinearRegressor"\n[broker]\nhost = "127.0.0.1"\n{broker}\n{tables}\n'
    path.write_text(text if "[state]" in tables else f'{text}[state]\npath = "{folder}/state"\n')
    return path


def findings(config: Path, *options: str, code: int = 0) -> dict[str, list[dict[str, Any]]]:
    """The findings by subject."""
    result = run("check", config, *options, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, list[dict[str, Any]]] = {}
    for line in result.output.splitlines():
        finding = json.loads(line)
        found.setdefault(finding["subject"], []).append(finding)
    return found


def levels(found: dict[str, list[dict[str, Any]]], level: str) -> set[str]:
    return {subject for subject, some in found.items() if any(finding["level"] == level for finding in some)}


def test_all_is_well(server: SecuredBroker, tmp_path: Path) -> None:
    config = write(tmp_path, f"port = {server.port}")
    found = findings(config)
    assert levels(found, "error") == set()
    assert levels(found, "ok") >= {
        *("configuration", "permissions", "disk", "file system", "daemon", "learner", "clock"),
        *("name", "connection", "login", "limits", "session", "subscription", "publishing", "queue"),
    }
    (limits,) = found["limits"]
    assert "topic aliases" in limits["message"]
    (version,) = found["version"]
    assert "mosquitto version" in version["message"]
    numbers = version["message"].split("version ")[1].split()[0].split(".")
    assert (version["level"] == "warning") == (tuple(map(int, numbers)) < (2, 0, 15))
    assert "max_queued_messages" in found["queue"][0]["hint"]
    # It only looks.
    assert [path.name for path in tmp_path.iterdir()] == ["device.toml"]
    lines = run("check", config).output.splitlines()
    assert len(lines) == sum(map(len, found.values()))
    assert all(line.startswith(("ok ", "warning ")) for line in lines)


def test_offline_it_looks_at_the_file_alone(tmp_path: Path) -> None:
    config = write(tmp_path, "port = 1")
    assert set(findings(config, "--offline")) == {"configuration"}


def test_it_leaves_the_daemon_alone(server: SecuredBroker, make_daemon: Any) -> None:
    with DevicePeer(server.port) as peer, make_daemon(server.port) as daemon:
        daemon.connected()
        peer.send(events(0, 5))
        found = findings(daemon.config_path)
        assert f"process {daemon.pid} is using" in found["daemon"][0]["message"]
        peer.send(events(5, 10))
        # Had it joined or replaced the session, some would be missing, or the daemon would have connected again.
        assert daemon.counted(10)["events_learned"] == 10
        assert daemon.log.count("Connected") == 1
        # What is sent to see whether publishing is allowed replaces nothing that is retained.
        empty = [topic for topic, payload, retained in peer.received if not payload and not retained]
        assert sorted(empty) == ["drift", "metrics", "predictions", "snapshots", "status"]
        with DevicePeer(server.port) as later:
            later.state("online")
        daemon.stop()


def test_nothing_is_sent_when_that_is_not_wanted(server: SecuredBroker, tmp_path: Path) -> None:
    with DevicePeer(server.port) as peer:
        assert "publishing" not in findings(write(tmp_path, f"port = {server.port}"), "--no-publish")
        peer.send([b"x"])
        assert [topic for topic, payload, _ in peer.received if not payload] == []


def test_of_a_shared_subscription_it_takes_nothing(server: SecuredBroker, make_daemon: Any, tmp_path: Path) -> None:
    tables = '[topics]\nevents = ["$share/fleet/edgedescent/pump/events"]'
    with DevicePeer(server.port) as peer, make_daemon(server.port, tables=tables) as daemon:
        daemon.logged("Receiving .share/fleet")
        checking = subprocess.Popen(
            [sys.executable, "-m", "edgedescent", "check", str(daemon.config_path)], stdout=subprocess.PIPE
        )
        for first in range(0, 200, 10):
            peer.send(events(first, first + 10))
        output = checking.communicate()[0].decode()
        assert "subscription: $share/fleet/edgedescent/pump/events is granted" in output
        assert daemon.counted(200)["events_learned"] == 200
        daemon.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_access_rules_that_are_too_tight_are_found(folder: Path, tmp_path: Path, protocol: str) -> None:
    rules = "user pump\ntopic write edgedescent/pump/predictions\ntopic write edgedescent/pump/metrics\n"
    rules += "topic write edgedescent/pump/drift\n"
    password = folder / "secret"
    password.write_text(SECRET)
    password.chmod(0o600)
    with SecuredBroker(folder, users={"pump": SECRET}, rules=rules) as broker:
        options = f'port = {broker.port}\nusername = "pump"\npassword_file = "{password}"\nprotocol = "{protocol}"'
        found = findings(write(tmp_path, options), code=1 if protocol == "5" else 0)
    if protocol == "5":
        assert levels(found, "error") == {"publishing"}
        refused = [finding["message"] for finding in found["publishing"] if finding["level"] == "error"]
        assert refused == [f"edgedescent/pump/{name} is refused: Not authorized." for name in ("snapshots", "status")]
    else:
        assert [finding["level"] for finding in found["publishing"]] == ["warning"]


def test_a_wrong_password_is_found_and_not_shown(folder: Path, tmp_path: Path) -> None:
    password = folder / "secret"
    password.write_text("not-the-one-2")
    password.chmod(0o644)
    with SecuredBroker(folder, users={"pump": SECRET}) as broker:
        options = f'port = {broker.port}\nusername = "pump"\npassword_file = "{password}"'
        config = write(tmp_path, options)
        found = findings(config, code=1)
        output = run("check", config).output
    assert levels(found, "error") == {"login"}
    assert "refused the connection: Not authorized" in found["login"][0]["message"]
    assert "not-the-one" not in output
    assert found["secrets"][0]["message"] == f"{password} can be read by every user of this machine."


@pytest.mark.parametrize(
    ("broker", "subject", "message"),
    [
        ("port = {free}", "broker", "127.0.0.1:{free} cannot be reached: Connection refused."),
        ('host = "no.such.host.invalid"', "broker", "the name 'no.such.host.invalid' cannot be resolved"),
    ],
)
def test_a_broker_that_is_not_there_is_found(tmp_path: Path, broker: str, subject: str, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = str(probe.getsockname()[1])
    text = write(tmp_path, broker.replace("{free}", free)).read_text()
    if "host =" in broker:
        (tmp_path / "device.toml").write_text(text.replace('host = "127.0.0.1"\n', ""))
    found = findings(tmp_path / "device.toml", code=1)
    assert levels(found, "error") == {subject}
    assert found[subject][0]["message"].startswith(message.replace("{free}", free))


def test_tls_is_looked_at(folder: Path, tmp_path: Path) -> None:
    authority, other = make_authority(tmp_path / "authority"), make_authority(tmp_path / "other")
    certificate = make_certificate(tmp_path / "server", authority, "DNS:localhost")
    with SecuredBroker(folder, certificate=certificate) as broker:

        def checked(host: str, ca: Path, code: int) -> dict[str, Any]:
            config = write(tmp_path, f'port = {broker.port}\n[broker.tls]\nca_file = "{ca / "cert.pem"}"')
            config.write_text(config.read_text().replace("127.0.0.1", host))
            return findings(config, code=code)["tls"][0]

        good = checked("localhost", authority, 0)
        assert good["message"].startswith("TLSv1.3, the certificate is trusted until ")
        # The test's own authority signs for two days only.
        assert good["level"] == "warning"
        assert "unable to get local issuer" in checked("localhost", other, 1)["message"]
        assert "IP address mismatch" in checked("127.0.0.1", authority, 1)["message"]


def test_the_state_of_another_learner_is_found(server: SecuredBroker, make_daemon: Any) -> None:
    with DevicePeer(server.port) as peer, make_daemon(server.port) as daemon:
        daemon.connected()
        peer.send([json.dumps(event(1)).encode()])
        daemon.counted(1)
        daemon.stop()
        text = daemon.config_path.read_text()
        daemon.config_path.write_text(text.replace('"LinearRegressor"', '"MatrixFactorization"'))
        found = findings(daemon.config_path, "--no-publish", code=1)
        assert levels(found, "error") == {"learner"}
        assert "was learned with another configuration" in found["learner"][0]["message"]
        daemon.config_path.write_text(text)
        daemon.state_path.chmod(0o755)
        (daemon.state_path / "edgedescent.db").chmod(0o644)
        found = findings(daemon.config_path, "--no-publish")
        assert "others may have access to" in found["permissions"][1]["message"]


@pytest.mark.parametrize("answer", [b"", b"\x20\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_port_that_does_not_speak_mqtt_is_found(tmp_path: Path, answer: bytes) -> None:
    with AnsweringBroker(answer, None) as broker:
        found = findings(write(tmp_path, f"port = {broker.port}"), code=1)
    assert re.search(
        r"did not accept the connection: (it does not speak MQTT|it ended the connection)\.",
        found["login"][0]["message"],
    )
    assert found["login"][0]["hint"].startswith("Is this its port for MQTT, with TLS or without?")


def test_a_folder_that_may_not_be_written_to_is_found(server: SecuredBroker, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # Nothing is forbidden to root, but /proc is of a file system that takes nothing.
        config = write(tmp_path, f"port = {server.port}", '[state]\npath = "/sys/edgedescent"')
    else:
        (tmp_path / "shut").mkdir(mode=0o500)
        config = write(tmp_path, f"port = {server.port}", f'[state]\npath = "{tmp_path}/shut/state"')
    found = findings(config, "--no-publish", code=1)
    assert levels(found, "error") & {"permissions", "file system", "disk"}


def test_a_clock_that_stands_is_found(server: SecuredBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    found = findings(write(tmp_path, f"port = {server.port}"), "--no-publish")
    assert found["clock"][0]["level"] == "warning"
    assert found["clock"][0]["message"] == "the time is 1970-01-02."
