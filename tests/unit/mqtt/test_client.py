"""Connection settings that all MQTT clients share: addresses, passwords, certificates and sessions."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from edgedescent.errors import ConfigError
from edgedescent_mqtt.client import (
    Connection,
    MqttClient,
    Session,
    is_readable_by_all,
    read_password,
    tls_context,
)
from support.certificates import openssl


def test_addresses() -> None:
    assert Connection.from_url("mqtt://h").port == 1883
    connection = Connection.from_url("mqtt://a%40b@[::1]:77", password="p")
    assert (connection.host, connection.port, connection.username) == ("::1", 77, "a@b")
    assert str(connection) == "mqtt://[::1]:77"
    secured = Connection.from_url("mqtts://h")
    assert (secured.port, str(secured)) == (8883, "mqtts://h:8883")
    with pytest.raises(ConfigError, match="without a user name"):
        Connection.from_url("mqtt://h", password="p")


def test_a_password_is_not_in_the_representation() -> None:
    assert "secret" not in repr(Connection("h", 1, username="u", password="secret"))


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"se cret\nmore\n", "se cret"),
        (b" two \r\n", " two "),
        (b"no end", "no end"),
        # Characters at which Python's `splitlines` ends a line belong to the password.
        ("a\x0bb\x85c\u2028d\n".encode(), "a\x0bb\x85c\u2028d"),
    ],
)
def test_passwords_are_the_first_line_of_a_file(tmp_path: Path, content: bytes, password: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert read_password(path, "--password-file") == password


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", "its first line is empty"), (b"\nmore\n", "its first line is empty"), (b"\xff\xfesecret", "not UTF-8")],
)
def test_password_files_that_cannot_be_used(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        read_password(path, "--password-file")
    assert str(caught.value).startswith(f"`--password-file` {path}: ")
    assert caught.value.__cause__ is None


def test_secrets_that_everybody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert not is_readable_by_all(path)
    path.touch(0o600)
    assert not is_readable_by_all(path)
    path.chmod(0o604)
    assert is_readable_by_all(path)


def test_certificates_are_always_verified() -> None:
    context = tls_context("broker.tls", None, None, None)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    for files in ((missing, None, None), (None, missing, None)):
        with pytest.raises(ConfigError, match=r"`broker\.tls`: the certificates cannot be used") as caught:
            tls_context("broker.tls", *files)
        assert "none.pem" in caught.value.hint
    with pytest.raises(ConfigError, match="a private key is given without its certificate"):
        tls_context("broker.tls", None, None, missing)


def test_an_encrypted_key_is_an_error_and_asks_nobody_for_its_password(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "2"),
        *("-subj", "/CN=pump", "-passout", "pass:secret", "-keyout", str(key), "-out", str(certificate)),
    )
    with pytest.raises(ConfigError, match="the certificates cannot be used"):
        tls_context("broker.tls", None, certificate, key)


def test_a_session_is_asked_for_in_either_protocol() -> None:
    properties = Session(expiry_s=60, receive_max=7, packet_bytes_max=1000).properties()
    assert properties.SessionExpiryInterval == 60  # type: ignore[attr-defined]
    assert properties.ReceiveMaximum == 7  # type: ignore[attr-defined]
    assert properties.MaximumPacketSize == 1000  # type: ignore[attr-defined]
    assert MqttClient("a", "3.1.1", Session(resume=True))._clean_session is False
    assert MqttClient("a", "3.1.1")._clean_session is True
