"""The table `[broker]`: what it takes, and how it says what is wrong."""

from __future__ import annotations

import ssl
import tomllib
from pathlib import Path
from typing import Any

import pytest

import edgedescent_mqtt
from edgedescent.config import convert
from edgedescent.errors import ConfigError
from edgedescent_mqtt import MqttAdapter
from edgedescent_mqtt.config import BrokerConfig


def broker(**table: Any) -> BrokerConfig:
    """A table as the daemon would read it."""
    return convert(table, BrokerConfig, "broker")


def test_the_sample_is_valid_and_shows_every_key() -> None:
    path = Path(edgedescent_mqtt.__file__).with_name("sample.toml")
    table = tomllib.loads(path.read_text())["broker"]
    sample = convert(table, BrokerConfig, "broker")
    assert sample.host
    text = path.read_text()
    for key in [*BrokerConfig.__struct_fields__, "ca_file", "cert_file", "key_file"]:
        assert f"{key} = " in text or f"[broker.{key}]" in text, key


def test_what_the_sample_shows_are_the_defaults() -> None:
    text = Path(edgedescent_mqtt.__file__).with_name("sample.toml").read_text()
    default = BrokerConfig()
    for line in text.splitlines():
        key, equals, value = line.partition(" = ")
        if equals and not line.startswith("#"):
            assert tomllib.loads(f"v = {value}")["v"] == getattr(default, key), key


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"hots": "a"}, "`broker.hots` is not a known key: expected one of host, port"),
        ({"host": ""}, "`broker.host` is ''"),
        ({"port": 0}, "`broker.port` is 0"),
        ({"port": "1883"}, "`broker.port` is '1883'"),
        ({"protocol": "3.1"}, "`broker.protocol` is '3.1': expected one of '5', '3.1.1'"),
        ({"qos": 2}, "`broker.qos` is 2: expected 0 or 1."),
        ({"client_id": "a\0b"}, r"`broker.client_id` is 'a\x00b': expected text without a zero byte."),
        ({"username": "a\0b"}, r"`broker.username` is 'a\x00b': expected text without a zero byte."),
        ({"keepalive_s": 1}, "`broker.keepalive_s` is 1"),
        ({"connect_timeout_s": 60}, "`broker.connect_timeout_s` is 60"),
        ({"receive_max": 0}, "`broker.receive_max` is 0"),
        ({"reconnect_min_s": 5, "reconnect_max_s": 1}, "`broker.reconnect_max_s` is 1: expected at least"),
        ({"username": "u", "password_file": "a", "password_env": "B"}, "not both"),
        ({"password_env": "B"}, "`broker.username` is missing"),
        ({"tls": {"key_file": "k.pem"}}, "`broker.tls.cert_file` is missing"),
        ({"tls": {"insecure": True}}, "`broker.tls.insecure` is not a known key"),
        ({"tls": True}, "`broker.tls` is true: expected a table"),
    ],
)
def test_what_is_wrong_is_named(table: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        broker(**table)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_port_follows_from_tls() -> None:
    assert broker().port_in_use == 1883
    assert broker(tls={}).port_in_use == 8883
    assert broker(tls={}, port=1).port_in_use == 1
    assert broker(host="plant").address == "plant:1883"


def test_a_password_is_read_anew_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    path.write_text("one\n")
    from_file = broker(username="u", password_file=str(path))
    assert from_file.password() == "one"
    path.write_text(" two \r\n")
    assert from_file.password() == " two "
    path.write_bytes(b"\xff\xfesecret")
    with pytest.raises(ConfigError, match=r"not UTF-8\.$") as caught:
        from_file.password()
    assert caught.value.__cause__ is None
    path.unlink()
    with pytest.raises(ConfigError, match="names a file that does not exist"):
        from_file.password()

    from_variable = broker(username="u", password_env="TEST_PASSWORD")
    monkeypatch.delenv("TEST_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match=r"`broker\.password_env` names a variable that is not set"):
        from_variable.password()
    monkeypatch.setenv("TEST_PASSWORD", "three")
    assert from_variable.password() == "three"
    assert broker().password() is None


def test_certificates_are_always_verified() -> None:
    config = broker(tls={})
    assert config.tls is not None
    context = config.tls.context()
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    for table in ({"ca_file": str(tmp_path / "none.pem")}, {"cert_file": str(tmp_path / "none.pem")}):
        config = broker(tls=table)
        assert config.tls is not None
        with pytest.raises(ConfigError, match=r"`broker\.tls`: the certificates cannot be used") as caught:
            config.tls.context()
        assert "none.pem" in caught.value.hint


def test_the_adapter_says_what_is_wrong_before_anything_starts(tmp_path: Path) -> None:
    def make(config: BrokerConfig) -> None:
        MqttAdapter(config, device="pump", topics=["events"], status_topic="status", bytes_max=1000)

    make(broker())
    with pytest.raises(ConfigError, match="password_file"):
        make(broker(username="u", password_file=str(tmp_path / "none")))
    with pytest.raises(ConfigError, match="certificates"):
        make(broker(tls={"ca_file": str(tmp_path / "none")}))


@pytest.mark.parametrize("key", ["password_env", "password_file"])
@pytest.mark.parametrize("secret", ["hunter2", "hunter2 with spaces", "hunter2/" * 3, "hunter2" * 1000, "hunter2\0"])
def test_a_password_in_the_place_of_its_name_is_not_shown(key: str, secret: str) -> None:
    config = broker(username="u", **{key: secret})
    with pytest.raises(ConfigError) as caught:
        config.password()
    assert key in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("value", [4711, ["4711"], 4711.5])
def test_a_password_of_another_type_is_not_shown(value: object) -> None:
    for key in ("password_env", "password_file"):
        with pytest.raises(ConfigError, match=f"`broker.{key}` is a value of type") as caught:
            broker(username="u", **{key: value})
        assert "4711" not in str(caught.value)
