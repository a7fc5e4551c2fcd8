"""The live view needs a package, which is told in one line; the picture does not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edgedescent import config as configuration
from edgedescent.commands import watch
from edgedescent.errors import ConfigError
from support.command_line import device_file


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match="needs the package textual") as error:
        watch.view(configuration.load(device_file(tmp_path)))
    assert "pip install 'edgedescent[watch]'" in error.value.hint


def test_another_broker_replaces_address_and_user_and_keeps_the_certificates(tmp_path: Path) -> None:
    broker = (
        '[broker]\nhost = "localhost"\nport = 1\nusername = "pump"\npassword_file = "secret"\nprotocol = "3.1.1"\n'
        '[broker.tls]\nca_file = "ca.pem"\n'
    )
    config = configuration.load(device_file(tmp_path, broker))
    found = watch.at_broker(config, "mqtts://dashboard@broker.lan:8884", "password").broker
    assert found == {
        "protocol": "3.1.1",
        "host": "broker.lan",
        "port": 8884,
        "username": "dashboard",
        "tls": {"ca_file": "ca.pem"},
        "password_file": "password",
    }
    assert watch.at_broker(config, "mqtt://broker.lan", None).broker == {"protocol": "3.1.1", "host": "broker.lan"}
