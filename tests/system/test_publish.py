"""Replays over real brokers: everything arrives, whatever happens to the broker or the user's patience."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgedescent_mqtt.client import Connection
from edgedescent_sims.broker.process import BrokerKind, BrokerProcess
from edgedescent_sims.publish.command import replay
from edgedescent_sims.publish.stream import publish
from edgedescent_sims.sources import Source, open_source
from support.brokers import EventCollector, running_broker
from support.certificates import make_authority, make_certificate
from support.secured_broker import SecuredBroker
from support.waiting import PATIENCE_S

KINDS: tuple[BrokerKind, ...] = ("mosquitto", "amqtt")
TOPIC = "edgedescent/edge/events"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{i % 7},{i % 5}\n" for i in range(2000)))
    return path


@pytest.fixture
def source(table: Path) -> Source:
    return open_source(table, target="y")


def ids(count: int, start: int = 1) -> set[str]:
    return {f"table-{number}" for number in range(start, start + count)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("batch", [1, 7])
def test_everything_arrives_once_and_in_order(kind: BrokerKind, protocol: str, batch: int, source: Source) -> None:
    with running_broker(kind) as broker, EventCollector(broker, TOPIC) as collector:
        if protocol not in broker.protocols:
            pytest.skip(f"{kind} does not speak MQTT {protocol}")
        connection = Connection.from_url(broker.url, protocol="5" if protocol == "5" else "3.1.1")
        report = publish(source, connection, batch=batch)
        collector.wait_for(2000)
    assert (report.events_sent, report.messages_sent) == (2000, -(-2000 // batch))
    assert collector.ids == [f"table-{number}" for number in range(1, 2001)]
    assert isinstance(collector.messages[0], dict if batch == 1 else list)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_nothing_is_lost_when_the_broker_restarts_midway(how: str, source: Source) -> None:
    # A killed broker loses what waits for its subscribers, so after a kill only the publisher is asked.
    with running_broker("mosquitto", persistent=True) as broker, EventCollector(broker, TOPIC) as collector:
        report = publish(
            source,
            broker.url,
            rate=4000.0,
            on_progress=Restart(broker, how, after_events=500),
        )
        if how == "stop":
            assert collector.wait_for(2000) == ids(2000)
    assert (report.events_sent, report.reconnects) == (2000, 1)


def test_the_embedded_broker_can_restart_midway(source: Source) -> None:
    with running_broker("amqtt") as broker:
        connection = Connection.from_url(broker.url, protocol="3.1.1")
        restart = Restart(broker, "stop", after_events=500)
        report = publish(source, connection, rate=4000.0, on_progress=restart)
    assert (report.events_sent, report.reconnects) == (2000, 1)


def test_a_lost_broker_that_stays_away_is_told_with_the_way_to_go_on(source: Source) -> None:
    with running_broker() as broker:
        connection = Connection.from_url(broker.url, protocol=broker.protocols[0])
        stop = Restart(broker, "stop", after_events=500, start=False)
        with pytest.raises(Exception, match=r"No MQTT broker answers.*\d+ events were acknowledged") as caught:
            publish(source, connection, rate=4000.0, on_progress=stop, connect_timeout_s=3.0)
        assert "--skip" in caught.value.hint  # type: ignore[attr-defined]


class Restart:
    """Stops a broker once so many events are acknowledged, and starts it again."""

    def __init__(self, broker: BrokerProcess, how: str, after_events: int, *, start: bool = True) -> None:
        self._end = getattr(broker, how)
        self._start = broker.start if start else None
        self._after = after_events
        self._done = False

    def __call__(self, events: int) -> None:
        if events >= self._after and not self._done:
            self._done = True
            self._end()
            if self._start is not None:
                self._start()


def test_the_command_prints_json_and_respects_skip_limit_prefix_and_rate(table: Path) -> None:
    with running_broker() as broker, EventCollector(broker, "edgedescent/shed/events") as collector:
        words = [str(table), "--to", broker.url, "--target", "y", "--drop", "b", "--device", "shed", "--json"]
        words += ["--skip", "100", "--limit", "200", "--id-prefix", "r", "--rate", "1000"]
        result = CliRunner().invoke(replay, [*words, "--protocol", broker.protocols[0]])
        collector.wait_for(200)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert (report["events_sent"], report["messages_sent"], report["interrupted"]) == (200, 200, False)
    assert report["seconds"] > 0.15
    assert report["events_per_second"] == pytest.approx(200 / report["seconds"])
    assert collector.ids == [f"r{number}" for number in range(101, 301)]
    assert collector.messages[0] == {"id": "r101", "x": {"a": 100.0}, "y": 0.0}


def test_qos_0_and_a_plain_summary(table: Path) -> None:
    with running_broker() as broker, EventCollector(broker, TOPIC) as collector:
        words = [str(table), "--to", broker.url, "--target", "y", "--qos", "0"]
        result = CliRunner().invoke(replay, [*words, "--protocol", broker.protocols[0]])
        assert collector.wait_for(2000) == ids(2000)
    assert result.exit_code == 0, result.output
    assert "Sent 2,000 events in 2,000 messages to edgedescent/edge/events at mqtt://127.0.0.1:" in result.stdout


def test_the_user_learns_that_nobody_listened(table: Path) -> None:
    with running_broker("mosquitto") as broker:
        result = CliRunner().invoke(replay, [str(table), "--to", broker.url, "--target", "y", "--limit", "10"])
    assert "Nobody was subscribed to edgedescent/edge/events when 10 of the messages arrived." in result.stderr


def test_a_protocol_that_the_broker_does_not_speak_is_told(table: Path) -> None:
    with running_broker("amqtt") as broker:
        words = [str(table), "--to", broker.url, "--target", "y", "--connect-timeout", "0.5"]
        result = CliRunner().invoke(replay, words)
    assert "--protocol 3.1.1" in result.exception.hint  # type: ignore[union-attr]


def test_ctrl_c_ends_cleanly_and_says_how_far_it_got(table: Path) -> None:
    with running_broker() as broker, EventCollector(broker, TOPIC) as collector:
        program = "from edgedescent_sims.publish.command import replay; replay()"
        words = [str(table), "--to", broker.url, "--target", "y", "--rate", "200", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words, "--protocol", broker.protocols[0]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        collector.wait_for(50)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        assert "Traceback" not in errors
        report = json.loads(output.splitlines()[-1])
        collector.wait_for(report["events_sent"])
    assert report["interrupted"]
    assert f"Interrupted: {report['events_sent']} events were sent" in errors
    # What the report calls sent is exactly what arrived.
    assert set(collector.ids) == ids(report["events_sent"])


def test_tls_checks_the_broker(source: Source, tmp_path: Path) -> None:
    authority = make_authority(tmp_path / "authority")
    certificate = make_certificate(tmp_path / "server", authority, "DNS:localhost")
    folder = tmp_path / "broker"
    folder.mkdir()
    with SecuredBroker(folder, certificate=certificate) as broker:
        trusted = Connection.from_url(f"mqtts://localhost:{broker.port}", ca_file=authority / "cert.pem")
        assert publish(source, trusted).events_sent == 2000
        with pytest.raises(Exception, match="cannot be trusted") as caught:
            publish(source, f"mqtts://localhost:{broker.port}")
        assert "--cafile" in caught.value.hint  # type: ignore[attr-defined]
