"""Passwords, access rules and TLS: what is right gets in, what is wrong is told in clear words, and tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.certificates import make_authority, make_certificate, openssl
from support.device_peer import DevicePeer
from support.event_streams import events
from support.secured_broker import SecuredBroker

SECRET = "correct-horse-7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "broker"
    made.mkdir()
    return made


@pytest.mark.parametrize("source", ["file", "environment"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_password_from(folder: Path, make_daemon: Any, source: str, protocol: str) -> None:
    path = folder / "secret"
    path.write_text(SECRET + "\n")
    given = f'password_file = "{path}"' if source == "file" else 'password_env = "BROKER_PASSWORD"'
    with (
        SecuredBroker(folder, users={"pump": SECRET}) as broker,
        DevicePeer(broker.port, username="pump", password=SECRET) as peer,
        make_daemon(
            broker.port,
            broker=f'protocol = "{protocol}"\nusername = "pump"\n{given}',
            environment={"BROKER_PASSWORD": SECRET},
        ) as daemon,
    ):
        daemon.connected()
        peer.send(events(0, 10))
        peer.answered({"e9"})
        daemon.stop()
        assert SECRET not in daemon.log
        assert not any(SECRET.encode() in item.read_bytes() for item in daemon.state_path.rglob("*") if item.is_file())


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_wrong_password_is_told_and_its_mending_noticed(folder: Path, make_daemon: Any, protocol: str) -> None:
    path = folder / "secret"
    path.write_text("not-the-one-2")
    options = f'protocol = "{protocol}"\nusername = "pump"\npassword_file = "{path}"\nreconnect_max_s = 0.4'
    with SecuredBroker(folder, users={"pump": SECRET}) as broker, make_daemon(broker.port, broker=options) as daemon:
        daemon.logged(r"it refused the connection: (.*ot authorized|Bad user name or password)", 3)
        assert "(see `broker.username` and its password" in daemon.log
        path.unlink()
        daemon.logged(r"`broker.password_file` names a file that does not exist\.")
        path.write_text(SECRET)
        daemon.connected()
        daemon.stop()
        assert "Traceback" not in daemon.log
        assert SECRET not in daemon.log
        assert "not-the-one" not in daemon.log


def test_access_rules_that_forbid_the_status_are_told(folder: Path, make_daemon: Any) -> None:
    rules = "user pump\ntopic read edgedescent/pump/events\n"
    options = 'username = "pump"\npassword_env = "BROKER_PASSWORD"'
    with (
        SecuredBroker(folder, users={"pump": SECRET}, rules=rules) as broker,
        make_daemon(broker.port, broker=options, environment={"BROKER_PASSWORD": SECRET}) as daemon,
    ):
        daemon.logged(r"ERROR The broker refused the message to 'edgedescent/pump/status': Not authorized")
        daemon.stop()


def test_tls_with_an_authority_of_ones_own(folder: Path, tmp_path: Path, make_daemon: Any) -> None:
    authority, other = make_authority(tmp_path / "authority"), make_authority(tmp_path / "other")
    certificate = make_certificate(tmp_path / "server", authority, "DNS:localhost")
    with SecuredBroker(folder, certificate=certificate) as broker:
        trusting = f'[broker.tls]\nca_file = "{authority / "cert.pem"}"'
        with make_daemon(broker.port, broker='host = "localhost"\n' + trusting) as daemon:
            daemon.connected()
            daemon.stop()
            assert daemon.log.count("Connected") == 1

        mistaken = f'[broker.tls]\nca_file = "{other / "cert.pem"}"'
        with make_daemon(broker.port, device="mistaken", broker='host = "localhost"\n' + mistaken) as daemon:
            message = daemon.logged(r"WARNING (.*)\n")[0]
            assert "its certificate cannot be trusted: unable to get local issuer certificate" in message
            assert "(see `broker.tls.ca_file`)" in message
            # The file is read anew each time: whoever mends it need not restart the daemon.
            (other / "cert.pem").write_bytes((authority / "cert.pem").read_bytes())
            daemon.connected()

        with make_daemon(broker.port, device="elsewhere", broker='host = "127.0.0.1"\n' + trusting) as daemon:
            assert "IP address mismatch" in daemon.logged(r"WARNING (.*)\n")[0]

        with make_daemon(broker.port, device="system", broker='host = "localhost"\n[broker.tls]') as daemon:
            assert "its certificate cannot be trusted" in daemon.logged(r"WARNING (.*)\n")[0]

        with make_daemon(broker.port, device="plain", broker='host = "localhost"\nconnect_timeout_s = 1') as daemon:
            message = daemon.logged(r"WARNING (.*)\n")[0]
            assert "the broker closed it before accepting it" in message or "Connection reset by peer" in message
            daemon.stop()
            assert "Traceback" not in daemon.log


def test_an_expired_certificate_is_refused_and_its_renewal_noticed(
    folder: Path, tmp_path: Path, make_daemon: Any
) -> None:
    authority = make_authority(tmp_path / "authority")
    expired = make_certificate(tmp_path / "expired", authority, "DNS:localhost", days=-1)
    options = f'host = "localhost"\nreconnect_max_s = 0.4\n[broker.tls]\nca_file = "{authority / "cert.pem"}"'
    with SecuredBroker(folder, certificate=expired) as broker, make_daemon(broker.port, broker=options) as daemon:
        assert "certificate has expired" in daemon.logged(r"WARNING (.*)\n")[0]
        assert "Connected" not in daemon.log
        renewed = make_certificate(tmp_path / "renewed", authority, "DNS:localhost")
        for name in ("cert.pem", "key.pem"):
            (expired / name).write_bytes((renewed / name).read_bytes())
        broker.restart()
        daemon.connected()
        daemon.stop()
        assert "Traceback" not in daemon.log


@pytest.mark.parametrize("name", ["DNS:elsewhere.example", "DNS:*.localhost", "IP:127.0.0.2"])
def test_a_certificate_of_another_host_is_refused(folder: Path, tmp_path: Path, make_daemon: Any, name: str) -> None:
    authority = make_authority(tmp_path / "authority")
    certificate = make_certificate(tmp_path / "server", authority, name)
    options = f'host = "localhost"\n[broker.tls]\nca_file = "{authority / "cert.pem"}"'
    with SecuredBroker(folder, certificate=certificate) as broker, make_daemon(broker.port, broker=options) as daemon:
        assert "Hostname mismatch" in daemon.logged(r"WARNING (.*)\n", 2)[0]
        assert "Connected" not in daemon.log


def test_a_broker_that_asks_for_client_certificates(folder: Path, tmp_path: Path, make_daemon: Any) -> None:
    authority, other = make_authority(tmp_path / "authority"), make_authority(tmp_path / "other")
    server = make_certificate(tmp_path / "server", authority, "DNS:localhost")
    shown = {
        "right": make_certificate(tmp_path / "right", authority, "DNS:pump"),
        "wrong": make_certificate(tmp_path / "wrong", other, "DNS:pump"),
        "late": make_certificate(tmp_path / "late", authority, "DNS:pump", days=-1),
    }
    trusting = f'host = "localhost"\n[broker.tls]\nca_file = "{authority / "cert.pem"}"\n'
    with SecuredBroker(folder, certificate=server, clients=authority) as broker:
        for device, certificate in shown.items():
            files = f'cert_file = "{certificate / "cert.pem"}"\nkey_file = "{certificate / "key.pem"}"'
            with make_daemon(broker.port, device=device, broker=trusting + files) as daemon:
                if device == "right":
                    daemon.connected()
                    daemon.stop()
                else:
                    daemon.logged(r"WARNING No connection to the broker at .*\n", 2)
                    assert "Connected" not in daemon.log
                assert "Traceback" not in daemon.log
        with make_daemon(broker.port, device="none", broker=trusting) as daemon:
            daemon.logged(r"WARNING No connection to the broker at .*\n", 2)
            assert "Connected" not in daemon.log


def test_tls_to_a_plain_port_is_told(folder: Path, make_daemon: Any) -> None:
    with (
        SecuredBroker(folder) as broker,
        make_daemon(broker.port, broker="connect_timeout_s = 1\n[broker.tls]") as daemon,
    ):
        message = daemon.logged(r"WARNING (.*)\n")[0]
        assert "(does this port speak TLS?)" in message


def test_an_encrypted_key_is_refused_rather_than_asked_about(tmp_path: Path, make_daemon: Any) -> None:
    authority = make_authority(tmp_path / "authority")
    key = tmp_path / "encrypted.pem"
    openssl("ec", "-in", str(authority / "key.pem"), "-aes256", "-passout", "pass:abc12345", "-out", str(key))
    tls = f'[broker.tls]\ncert_file = "{authority / "cert.pem"}"\nkey_file = "{key}"'
    with make_daemon(1883, broker=tls) as daemon:
        assert daemon.wait() == 1
        assert daemon.log.startswith("Error: ")
        assert daemon.log.count("\n") == 1
        assert "`broker.tls`: the certificates cannot be used" in daemon.log
