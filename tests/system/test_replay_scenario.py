"""Scenarios over a broker: a real daemon gives the predictions and the scores of a run in memory, bit for bit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedescent.errors import TransportError
from edgedescent_mqtt.client import Connection
from edgedescent_sims.broker.process import BrokerProcess
from edgedescent_sims.drift import SensorAppears, SignFlip, TasteShift
from edgedescent_sims.faults import DoubledMessages, LabelDelay, MissingValues, ReorderedMessages
from edgedescent_sims.publish.device import Device
from edgedescent_sims.publish.scenario import ScenarioReplay, replay_scenario
from edgedescent_sims.result import load_result
from edgedescent_sims.scenarios import library
from edgedescent_sims.scenarios.files import save_scenario
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import Repeats, Scored, predict_learn
from edgedescent_sims.simulate.run import fresh, run_candidate
from edgedescent_sims.sources import LinearStream, Source, TasteStream
from support.brokers import running_broker
from support.command_line import run
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.waiting import eventually

N_EVENTS = 1200
CONFIRMED = "publish_qos = 1"


def disturbed(source: Source) -> Source:
    """Every way in which messages come twice, late, in another order or without a label."""
    delayed = LabelDelay(source, delay=30, after=300)
    return DoubledMessages(ReorderedMessages(delayed, window=7), rate=0.1, delay=5)


def readings(n_events: int = N_EVENTS) -> Scenario:
    stream: Source = SignFlip(LinearStream(n_events=n_events), columns=("x0",), at=n_events // 2)
    stream = MissingValues(SensorAppears(stream, column="x1", at=n_events // 3), columns=("x2",), rate=0.1)
    return Scenario(name="readings", stream=disturbed(stream), window=50, fail_if=("recovery > 500",))


def ratings() -> Scenario:
    stream = TasteShift(TasteStream(n_events=N_EVENTS), at=N_EVENTS // 2)
    return Scenario(name="ratings", stream=disturbed(stream), window=50)


def device_of(daemon: DaemonProcess) -> Device:
    return dataclasses.replace(Device.of(daemon.device), learner=daemon.config.build_learner())


def in_memory(scenario: Scenario, daemon: DaemonProcess) -> Iterator[tuple[str, float]]:
    """Id and prediction of every answer, repeats of questions and second predictions included."""
    model, repeats = fresh(daemon.config.build_learner()), Repeats()
    for arrived in scenario.stream.batches():
        batch, _ = repeats.split(arrived)
        ids = [f"{scenario.name}-{number}" for number in batch.number.tolist()]
        yield from zip(ids, predict_learn(model, batch).tolist(), strict=True)


def assert_in_memory(report: ScenarioReplay, scenario: Scenario, daemon: DaemonProcess) -> None:
    """Check the scores of the device against a run of its learner in memory."""
    assert report.agrees is True
    assert report.result is not None
    name = daemon.device
    alone = dataclasses.replace(
        scenario, candidates={name: daemon.config.build_learner()}, peers={}, fail_if=(), main_score=None
    )
    expected = run_candidate(alone, name)
    device = next(candidate for candidate in report.result.candidates if candidate.name == name)
    scores = {score: interval.value for score, interval in device.scores.items()}
    assert scores == {score: expected.scores[score] for score in scores}
    assert {"mae", "rmse", "recovery"} <= scores.keys()
    assert device.curve == expected.curve
    assert [recovery.run for recovery in device.recoveries] == [recovery.run for recovery in expected.recoveries]


# The protocol decides what is delivered, not what is learned from it.
@pytest.mark.parametrize(
    ("protocol", "learner", "make"),
    [
        ("5", "LinearRegressor", readings),
        ("3.1.1", "LinearRegressor", readings),
        ("5", "MLPRegressor", readings),
        ("3.1.1", "MatrixFactorization", ratings),
    ],
)
def test_the_same_bits_in_the_same_order_as_in_memory(
    broker: BrokerProcess, peer: DevicePeer, make_daemon: Any, protocol: str, learner: str, make: Any
) -> None:
    if protocol not in broker.protocols:
        pytest.skip(f"{broker.kind} does not speak MQTT {protocol}")
    scenario: Scenario = make()
    with make_daemon(broker.port, broker=f'protocol = "{protocol}"\n{CONFIRMED}', learner=learner) as daemon:
        daemon.connected()
        parts: list[Scored] = []
        connection = Connection.from_url(broker.url, protocol="5" if protocol == "5" else "3.1.1")
        report = replay_scenario(scenario, connection, device_of(daemon), on_scored=parts.append)
        expected = list(in_memory(scenario, daemon))
        assert (report.answers, report.answers_missing) == (len(expected), 0)
        assert len(expected) > 2 * N_EVENTS - 400, "questions, late labels and repeats"
        eventually(lambda: peer.answers_count >= len(expected), "all answers")
        assert [(answer["id"], answer["prediction"]) for answer in peer.answers()] == expected
        assert_in_memory(report, scenario, daemon)
        # What is scored is the first answer to each event, against the target.
        first = dict(reversed(expected))
        numbers = np.concatenate([part.number for part in parts]).tolist()
        assert sorted(numbers) == list(range(1, N_EVENTS + 1))
        predictions = np.concatenate([part.prediction for part in parts]).tolist()
        assert predictions == [first[f"{scenario.name}-{number}"] for number in numbers]
        daemon.stop()


def test_over_the_embedded_broker(make_daemon: Any) -> None:
    scenario = readings()
    with (
        running_broker("amqtt") as broker,
        make_daemon(broker.port, broker=f'protocol = "3.1.1"\n{CONFIRMED}') as daemon,
    ):
        daemon.connected()
        report = replay_scenario(
            scenario, Connection.from_url(broker.url, protocol="3.1.1"), device_of(daemon), unanswered_max=100
        )
        assert report.answers_missing == 0
        assert_in_memory(report, scenario, daemon)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_nothing_changes_when_the_broker_restarts_midway(make_daemon: Any, protocol: str) -> None:
    scenario = readings()
    with (
        running_broker("mosquitto", persistent=True) as broker,
        make_daemon(broker.port, broker=f'protocol = "{protocol}"\n{CONFIRMED}') as daemon,
    ):
        daemon.connected()
        restarted: list[int] = []

        def restart(answers: int) -> None:
            if answers >= 300 and not restarted:
                restarted.append(answers)
                broker.stop()
                broker.start()

        report = replay_scenario(
            scenario,
            Connection.from_url(broker.url, protocol="5" if protocol == "5" else "3.1.1"),
            device_of(daemon),
            unanswered_max=50,
            on_progress=restart,
        )
        assert restarted
        assert report.reconnects >= 1
        assert report.answers_missing == 0
        assert_in_memory(report, scenario, daemon)


def test_nothing_changes_when_the_daemon_is_killed_midway(make_daemon: Any) -> None:
    scenario = readings()
    with running_broker("mosquitto") as broker, make_daemon(broker.port) as daemon:
        daemon.connected()
        killed: list[int] = []

        def kill(answers: int) -> None:
            if answers >= 300 and not killed:
                killed.append(answers)
                daemon.kill()
                daemon.start()

        report = replay_scenario(
            scenario, Connection.from_url(broker.url), device_of(daemon), unanswered_max=50, on_progress=kill
        )
        assert killed
        assert report.answers_missing == 0
        assert_in_memory(report, scenario, daemon)


def test_the_command_scores_reports_and_compares(
    broker: BrokerProcess, settings: str, make_daemon: Any, tmp_path: Path
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        words = ["--to", broker.url, "--protocol", broker.protocols[0]]
        # Its events arrive one a second.
        done = run(
            "replay", "sign-flip", *words, "--config", daemon.config_path, "--out", tmp_path / "out", "--speed", "4000x"
        )
        assert done.exit_code == 0, done.output
        assert "They are those in memory, to the last bit." in done.output
        assert "<html" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
        result = load_result(tmp_path / "out" / "sign-flip.json")
        assert [candidate.name for candidate in result.candidates] == ["pump", "in memory"]
        assert result.candidates[0].scores == result.candidates[1].scores
        assert result.comparison[0].difference.value == 0.0

        # The same events again are repeats: the daemon leaves them out.
        again = run("replay", "sign-flip", *words, "--device", "pump", "--answer-timeout", "0.5")
        assert again.exit_code == 1
        assert "pump has answered nothing on edgedescent/pump/predictions for 0.5 s" in again.output
        assert "--id-prefix" in again.output

        other = run("replay", "sign-flip", *words, "--device", "pump", "--id-prefix", "again-", "--json")
        assert other.exit_code == 0, other.output
        assert "only the scores of a fresh device are those in memory" in other.stderr
        report = json.loads(other.stdout)
        assert (report["answers"], report["answers_missing"], report["agrees"]) == (4000, 0, None)
        assert report["result"]["candidates"][0]["learner"]["type"] == "RemoteLearner"
        assert report["result"]["candidates"][0]["scores"]["mae"] != result.candidates[0].scores["mae"]


def test_missing_answers_are_counted_and_fail(
    broker: BrokerProcess, settings: str, make_daemon: Any, tmp_path: Path
) -> None:
    path = tmp_path / "long.toml"
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        words = ["--to", broker.url, "--protocol", broker.protocols[0], "--device", "pump", "--id-prefix", "a-"]
        # Only those that miss answers wait so long; the others hardly ever do.
        for n_events, code in ((300, 0), (1000, 1)):
            save_scenario(Scenario(name="long", stream=LinearStream(n_events=n_events)), path)
            # The first 300 were learned before, by these ids.
            done = run("replay", path, *words, "--answer-timeout", "5", "--json")
            assert done.exit_code == code, done.output
        report = json.loads(done.stdout)
        assert (report["answers"], report["answers_missing"], report["events_sent"]) == (700, 300, 1000)
        assert "300 answers of pump are missing" in done.stderr

        # One that stops answering ends the replay, long before its own end.
        save_scenario(Scenario(name="long", stream=LinearStream(n_events=100_000)), path)
        done = run("replay", path, *words, "--answer-timeout", "0.5", "--unanswered", "50", "--json")
        assert done.exit_code == 1
        assert "has answered nothing" in done.output


def test_a_device_that_is_not_there_is_told(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    scenario = library.load("sign-flip")
    connection = Connection.from_url(broker.url, protocol=broker.protocols[0])
    with pytest.raises(TransportError, match="nobody has answered nothing"):
        replay_scenario(scenario, connection, Device.of("nobody"), answer_timeout_s=0.3)
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        daemon.stop()
    with pytest.raises(TransportError, match="The device pump is stopped"):
        replay_scenario(scenario, connection, Device.of("pump"), answer_timeout_s=0.3)
