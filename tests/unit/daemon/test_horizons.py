"""Several horizons in the daemon: answers, metrics, sensors and alarms of each."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgedescent.assembly import LabelSpec
from edgedescent.commands.run import _summary
from edgedescent.config import Config, answer_template, convert
from edgedescent.daemon.dry_run import dry_run
from edgedescent.daemon.exposition import FAMILIES, PREFIX, render
from edgedescent.daemon.home_assistant import discovery_messages
from edgedescent.daemon.input_checks import inputs_of
from edgedescent.engine.core import Engine
from edgedescent.errors import ConfigError
from edgedescent.interfaces import Delivery
from edgedescent.state import codec
from support.daemon_harness import DaemonHarness
from support.fake_admin_client import FakeAdminClient
from support.state_folder import bits

TABLES: dict[str, Any] = {
    "inputs": {"meter": {"topics": ["meter"], "fields": {"power": "P"}}},
    "label": {"input": "meter", "feature": "meter.power", "horizon_s": [10, 30.5], "max_age_s": 60.0},
    "predictions": {"interval": 0.8},
}
NAMES = ["10", "30.5"]


def lived(folder: Path, n: int = 80, **tables: Any) -> DaemonHarness:
    """A daemon that a meter has sent a reading every ten seconds, with a jump in the middle of a long life."""
    harness = DaemonHarness(folder, **{**TABLES, **tables}).recover()
    for i in range(n):
        harness.clock.now += 10.0
        value = 5 + math.sin(i / 4) + (i % 7 * 40 if i >= 300 else 0)
        harness.receive(Delivery("meter", json.dumps({"P": value}).encode()))
    harness.receive()
    return harness


def answers(harness: DaemonHarness) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for said in harness.transport.of("predictions"):
        found += said if isinstance(said, list) else [said]
    return found


def test_each_event_is_answered_for_each_horizon_and_scored_by_itself(tmp_path: Path) -> None:
    harness = lived(tmp_path)
    said, metrics = answers(harness), harness.daemon.metrics()
    asked = [one for one in said if "y" not in one]
    assert [one["horizon_s"] for one in asked] == [10.0, 30.5] * 80
    assert asked[1]["time"] - asked[0]["time"] == 20.5
    assert [*metrics["horizons"]] == NAMES
    for name, own in metrics["horizons"].items():
        learned = [one for one in said if "y" in one and one["horizon_s"] == float(name)]
        errors = [abs(one["y"] - one["prediction"]) for one in learned]
        assert own["events_learned"] == len(learned) > 70
        assert own["mae"] == pytest.approx(sum(errors[1:]) / len(errors[1:]), rel=1e-12)
        assert own["questions_waiting"] == own["events_predicted"] - own["events_learned"] == 80 - len(learned)
        assert {"forecast_mae_last_value", "interval_coverage", "targets_unscored"} <= own.keys()
    assert metrics["events_learned"] == sum(own["events_learned"] for own in metrics["horizons"].values())
    assert metrics["questions_waiting"] == sum(own["questions_waiting"] for own in metrics["horizons"].values())
    # The error of a mixture of horizons says nothing.
    assert "mae" not in metrics


def test_prometheus_labels_them(tmp_path: Path) -> None:
    metrics = lived(tmp_path).daemon.metrics()
    found = {one.name: one for one in text_string_to_metric_families(render(metrics).decode())}
    for name in ("mae", "events_learned", "questions_waiting", "forecast_mae_last_value", "interval_coverage"):
        samples = found[PREFIX + FAMILIES[name].name.removesuffix("_total")].samples
        # Without their sum, which a query would add to them.
        assert [(one.labels["horizon"], one.value) for one in samples] == [
            (horizon, metrics["horizons"][horizon][name]) for horizon in NAMES
        ]
    (sample,) = found[PREFIX + "messages"].samples
    assert sample.labels == {"device": "pump"}
    assert {name for own in metrics["horizons"].values() for name in own} <= FAMILIES.keys()


def test_home_assistant_shows_sensors_of_each(tmp_path: Path) -> None:
    jinja2 = pytest.importorskip("jinja2")
    harness = lived(tmp_path, home_assistant={"discovery": True, "device_class": "power"})
    sensors = {topic.split("/")[3]: json.loads(payload) for topic, payload in discovery_messages(harness.config)}
    assert [*sensors] == ["prediction_10", "error_10", "prediction_30_5", "error_30_5"]
    assert len({one["unique_id"] for one in sensors.values()}) == 4
    assert [one.get("device_class") for one in sensors.values()] == ["power", None] * 2
    said, metrics = harness.transport.of("predictions"), harness.daemon.metrics()
    for horizon, end in ((10.0, "10"), (30.5, "30_5")):
        template = jinja2.Environment().from_string(sensors[f"prediction_{end}"]["value_template"])
        shown = [text for value in said if (text := template.render(value_json=value))]
        own = [one for one in answers(harness) if one["horizon_s"] == horizon and "y" not in one]
        assert shown == [str(one["prediction"]) for one in own]
        # What only tells of the past leaves the sensor as it is.
        assert template.render(value_json={"prediction": 1.0, "y": 2.0, "horizon_s": horizon}) == ""
        template = jinja2.Environment().from_string(sensors[f"error_{end}"]["value_template"])
        assert template.render(value_json=metrics) == str(metrics["horizons"][f"{horizon:g}"]["mae_recent"])


def test_home_assistant_needs_a_topic_of_each_horizon_where_answers_have_a_template(tmp_path: Path) -> None:
    discovery = {"discovery": True}
    payload = {"interval": 0.9, "payload": '{"value": {prediction}}'}
    harness = lived(tmp_path, home_assistant=discovery, topics={"predictions": "f/{horizon_s}"}, predictions=payload)
    sensors = {topic.split("/")[3]: json.loads(text) for topic, text in discovery_messages(harness.config)}
    assert [sensors[name]["state_topic"] for name in ("prediction_10", "prediction_30_5")] == ["f/10", "f/30.5"]
    assert {topic for topic, *_ in harness.transport.published} >= {"f/10", "f/30.5"}
    tables = {**TABLES, "home_assistant": discovery, "predictions": payload}
    with pytest.raises(ConfigError, match=r"expected \{horizon_s\} in it, a topic for each horizon"):
        answer_template(convert({"device": "pump", **tables}, Config))


def test_the_name_of_a_sensor_has_the_largest_unit() -> None:
    label = {**TABLES["label"], "horizon_s": [90, 120, 7200, 172_800]}
    config = convert({"device": "pump", **TABLES, "label": label, "home_assistant": {"discovery": True}}, Config)
    names = [json.loads(payload)["name"] for _, payload in discovery_messages(config)]
    assert names[::2] == [f"Prediction {text} ahead" for text in ("90 s", "2 min", "2 h", "2 d")]
    assert names[-1] == "Mean absolute error 2 d ahead"


def test_an_alarm_says_its_horizon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    harness = lived(tmp_path, 400)
    alarms = harness.transport.of("drift")
    assert [alarm["number"] for alarm in alarms] == [*range(1, len(alarms) + 1)]
    assert {alarm["horizon_s"] for alarm in alarms} == {10.0, 30.5}
    latest = [alarm.horizon_s for alarm in harness.daemon.engine.latest_alarms]
    assert latest == [alarm["horizon_s"] for alarm in alarms[-8:]]
    assert "(30.5 s ahead) is " in caplog.text


def test_recovery_and_a_stop_change_no_bit(tmp_path: Path) -> None:
    harness = lived(tmp_path)
    before = bits(harness.daemon.engine)
    harness.store.close()
    harness.restart()
    harness.recover()
    assert bits(harness.daemon.engine) == before
    harness.daemon.stop()
    harness.daemon.close()
    harness.restart()
    harness.recover()
    assert bits(harness.daemon.engine) == before


def test_other_horizons_hold_from_the_next_message_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harness = lived(tmp_path)
    before, whole = harness.daemon.engine.heads.by_horizon, bits(harness.daemon.engine)
    learned = {horizon: codec.encode(head.learner.state_dict()) for horizon, head in before.items()}
    config, fewer = harness.config, LabelSpec(input="meter", feature="meter.power", horizon_s=(10.0, 60.0))

    def restarted(config: Config) -> Engine:
        harness.daemon.stop()
        harness.daemon.close()
        harness.config = config
        harness.restart()
        return harness.recover().daemon.engine

    assert bits(restarted(msgspec.structs.replace(config, label=fewer))) == whole
    assert (
        "the model for 10 s ahead goes on; the model for 60 s ahead begins untrained; the model for 30.5 s"
        in caplog.text
    )
    results = [*inputs_of(harness.config, tmp_path)]
    assert [(one.level, one.subject) for one in results] == [
        ("ok", "inputs"),
        ("warning", "horizons"),
        ("ok", "features"),
    ]
    assert "the model for 30.5 s ahead ends" in str(results[1])
    # Nothing came, so that nothing has ended.
    assert bits(restarted(config)) == whole
    assert "horizons" not in [one.subject for one in inputs_of(config, tmp_path)]
    restarted(msgspec.structs.replace(config, label=fewer))
    harness.receive(Delivery("meter", b'{"P": 5}'))
    engine = harness.daemon.engine
    assert codec.encode(engine.heads.by_horizon[10.0].learner.state_dict()) == learned[10.0]
    assert engine.heads.by_horizon[60.0].counts() == {"events_learned": 0, "events_predicted": 1}
    assert [one["horizon_s"] for one in answers(harness)] == [10.0, 60.0]
    now = bits(engine)
    assert bits(restarted(harness.config)) == now


def test_a_dry_run_tells_the_error_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = {"topics": ["meter"], "fields": {"power": "P"}, "time": "t"}
    config = DaemonHarness(tmp_path, **TABLES | {"inputs": {"meter": meter}, "assembly": {"lateness_s": 0}}).config
    start = time.time() - 1000.0
    readings = [{"P": 5 + math.sin(i / 4), "t": start + 10 * i} for i in range(90)]
    client = FakeAdminClient([Delivery("meter", json.dumps(one).encode()) for one in readings])
    monkeypatch.setattr(Config, "build_admin_client", lambda _config, _purpose: client)
    shown: list[dict[str, Any]] = []

    def on_output(kind: str, payload: bytes) -> None:
        said = json.loads(payload)
        if kind == "predictions":
            shown.extend(said if isinstance(said, list) else [said])

    summary = dry_run(config, events=150, on_output=on_output)
    assert summary["mae"] is None
    assert [*summary["horizons"]] == NAMES
    for name, mae in summary["horizons"].items():
        learned = [one for one in shown if "y" in one and one["horizon_s"] == float(name)]
        assert mae == pytest.approx(fmean(abs(one["y"] - one["prediction"]) for one in learned[1:]), rel=1e-12)
    assert f"of this run, 30.5 s ahead: {summary['horizons']['30.5']:.6g}" in _summary(summary)


def test_check_names_the_horizons(tmp_path: Path) -> None:
    config = DaemonHarness(tmp_path, **TABLES).config
    first = str(next(inputs_of(config, tmp_path / "none")))
    assert "predicts 'meter.power', 10, 30.5 s ahead, each by a model of its own." in first
