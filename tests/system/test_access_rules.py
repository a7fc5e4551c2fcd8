"""The access rules of deploy/broker, each tried against a real mosquitto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgedescent_mqtt.admin_client import MqttAdminClient
from edgedescent_mqtt.config import BrokerConfig
from support.command_line import run_json
from support.event_streams import events
from support.secured_broker import SecuredBroker
from support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("pump-7", "pump-8", "sensors", "dashboard")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredBroker]:
    rules = (ROOT / "deploy" / "broker" / "acl").read_text()
    folder = tmp_path_factory.mktemp("broker")
    with SecuredBroker(folder, users={name: f"secret of {name}" for name in NAMES}, rules=rules) as running:
        yield running


@pytest.fixture
def admin_client(broker: SecuredBroker, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(name: str) -> MqttAdminClient:
        monkeypatch.setenv(f"PASSWORD_{name}", f"secret of {name}")
        config = BrokerConfig(host="127.0.0.1", port=broker.port, username=name, password_env=f"PASSWORD_{name}")
        return MqttAdminClient(config, device=name, purpose="test", bytes_max=1_000)

    return make


ALLOWED = {
    ("pump-7", "edgedescent/pump-7/events"),
    *(("pump-7", f"edgedescent/pump-7/{name}") for name in ("predictions", "metrics", "drift", "snapshots", "status")),
    ("sensors", "edgedescent/pump-7/events"),
    ("sensors", "edgedescent/pump-8/events"),
}
TOPICS = [
    f"edgedescent/{device}/{name}"
    for device in ("pump-7", "pump-8")
    for name in ("events", "predictions", "metrics", "drift", "snapshots", "status")
]


@pytest.mark.parametrize("name", ["pump-7", "sensors", "dashboard"])
def test_who_may_write_what(admin_client: Any, name: str) -> None:
    with admin_client(name) as client:
        taken = {
            topic for topic in [*TOPICS, "other", "$SYS/broker/version"] if not client.publish(topic, b"x").is_failure
        }
    assert taken == {topic for who, topic in ALLOWED if who == name}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pump-7", {"edgedescent/pump-7/events"}),
        ("sensors", set()),
        (
            "dashboard",
            {f"edgedescent/pump-7/{name}" for name in ("predictions", "metrics", "drift", "snapshots", "status")}
            | {f"edgedescent/pump-8/{name}" for name in ("predictions", "metrics", "drift", "snapshots", "status")},
        ),
    ],
)
def test_who_may_read_what(admin_client: Any, name: str, expected: set[str]) -> None:
    with admin_client(name) as reader, admin_client("pump-7") as seven, admin_client("pump-8") as eight:
        # Mosquitto grants subscriptions and drops what must not be read.
        reader.subscribe(["#"])
        for writer, device in ((seven, "pump-7"), (eight, "pump-8")):
            for topic in TOPICS:
                if f"/{device}/" in topic:
                    assert not writer.publish(topic, b"x").is_failure
        heard = {delivery.topic for delivery in reader.poll(0.5)}
        while more := reader.poll(0.2):
            heard |= {delivery.topic for delivery in more}
    assert heard == expected


def test_a_device_and_its_checks_get_what_they_need(
    broker: SecuredBroker, make_daemon: Any, admin_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMP_PASSWORD", "secret of pump-7")
    with make_daemon(
        broker.port, device="pump-7", broker='username = "pump-7"\npassword_env = "PUMP_PASSWORD"'
    ) as daemon:
        daemon.connected()
        found = run_json("check", daemon.config_path)
        assert [finding for finding in found if finding["level"] == "error"] == []
        assert any("mosquitto version" in finding["message"] for finding in found)
        with admin_client("dashboard") as dashboard, admin_client("sensors") as sensors:
            dashboard.subscribe(["edgedescent/pump-7/predictions"])
            for payload in events(0, 3):
                assert not sensors.publish("edgedescent/pump-7/events", payload).is_failure
            assert daemon.counted(3)["events_learned"] == 3
            answers = dashboard.poll(5.0)
            while len(answers) < 3:
                answers += dashboard.poll(5.0)
        assert "refused" not in daemon.log
        daemon.stop()


def test_a_reader_who_takes_over_the_session_is_reported(
    broker: SecuredBroker, make_daemon: Any, admin_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto lets every user connect with every client id, and end the session of it."""
    monkeypatch.setenv("PUMP_PASSWORD", "secret of pump-7")
    who = 'username = "pump-7"\npassword_env = "PUMP_PASSWORD"'
    with make_daemon(broker.port, device="pump-7", broker=who) as daemon:
        daemon.connected()
        thief = admin_client("dashboard")
        thief._client._client_id = b"edgedescent-pump-7"
        with thief:
            daemon.logged("the broker closed it")
        daemon.logged(
            r"WARNING The broker did not keep the session \(restarted, or ended by another client with the client"
        )
        eventually(lambda: daemon.status().get("sessions_lost", 0) >= 1, "the counter")
        daemon.stop()


@pytest.mark.parametrize("client_id", ["", 'client_id = "pump-7-5e1f0b7a"'])
def test_an_id_that_everybody_can_guess_is_warned_of(
    broker: SecuredBroker, make_daemon: Any, monkeypatch: pytest.MonkeyPatch, client_id: str
) -> None:
    monkeypatch.setenv("PUMP_PASSWORD", "secret of pump-7")
    daemon = make_daemon(
        broker.port, device="pump-7", broker=f'username = "pump-7"\npassword_env = "PUMP_PASSWORD"\n{client_id}'
    )
    found = [each for each in run_json("check", daemon.config_path) if each["subject"] == "session"]
    assert [each["level"] for each in found] == (["ok"] if client_id else ["warning", "ok"])


def test_the_brokers_configuration_is_accepted(tmp_path: Path) -> None:
    """It is started in tests/system/test_walk_through.py; here, that nothing is missing."""
    lines = (ROOT / "deploy" / "broker" / "edgedescent.conf").read_text().splitlines()
    settings = dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))
    assert settings["allow_anonymous"] == "false"
    assert {"cafile", "certfile", "keyfile", "password_file", "acl_file"} <= settings.keys()
    assert int(settings["max_queued_messages"]) > 1000
    # A device would leave larger ones anyway.
    assert int(settings["message_size_limit"]) == 1_048_576 + 65_536
