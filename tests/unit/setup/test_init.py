"""`edgedescent init`: what is on a broker is found, and the configuration that it writes runs unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import msgspec
import pytest

from edgedescent import config as configuration
from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError
from edgedescent.setup.grouping import grouped
from edgedescent.setup.heard import Heard, broker_table
from edgedescent.setup.profiles import guess_format, profiles
from edgedescent.setup.proposal import Proposal, default_derive
from edgedescent.setup.rehearsal import config_of
from edgedescent.state.recording import to_line
from support.brokers import running_broker
from support.command_line import run
from support.device_peer import DevicePeer
from support.edge_node import EdgeNode, M
from support.small_plant import NUMERIC, plant


def write(path: Path, heard: list[Heard]) -> Path:
    lines = [to_line(Message(i, one.received_at, one.topic, one.payload)) for i, one in enumerate(heard, start=1)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("payloads", "expected"),
    [
        ([b"21.5", b"ON", b"unavailable"], "scalar"),
        ([b'{"a": 1}', b'{"a": 2}'], "json"),
        ([b"[1, 2]"], "json"),
        ([b"2026-01-05T10:00:00Z;4.5;380"], {"type": "csv", "delimiter": ";"}),
        ([b"1,2", b"3,4"], {"type": "csv", "delimiter": ","}),
        ([msgspec.msgpack.encode({"level": 0.5})], "msgpack"),
        ([bytes.fromhex("a16474656d70f94d00")], "cbor"),
        ([b"\xff\xfe\x00\x01"], None),
        ([b"a sentence, with two commas, and no number"], "scalar"),
    ],
)
def test_formats_are_told_apart(payloads: list[bytes], expected: object) -> None:
    assert guess_format(payloads) == expected


def test_every_numeric_field_of_every_shape_is_found() -> None:
    plans = grouped(profiles(plant(30), "Europe/Paris"))
    found = {name for plan in plans for name, _, _ in plan.features()}
    assert found >= NUMERIC
    # Topics that differ in one level, with one form, are one input; times are found where there are any.
    topics = {plan.topic: plan for plan in plans}
    assert len(topics["zigbee2mqtt/{name}"].profiles) == 2
    assert topics["zigbee2mqtt/{name}"].time == ("last_seen",)
    assert topics["weather"].time == ("0",)
    assert topics["plant/press"].time == ("ts",)
    assert topics["plant/tank"].time is None
    assert topics["homeassistant/sensor/outdoor/state"].spec.fields == {"": {"unit": "°C"}}


def test_a_local_time_is_found_with_its_zone() -> None:
    heard = [
        Heard("tele/plug/SENSOR", b'{"Time": "2026-01-05T11:0%d:00", "P": 5}' % i, 1_767_607_200.0 + 60 * i)
        for i in range(5)
    ]
    [plan] = grouped(profiles(heard, "Europe/Paris"))
    assert (plan.time, plan.profiles[0].time_zone) == (("Time",), "Europe/Paris")


def test_features_of_one_name_are_kept_apart() -> None:
    heard = [Heard(topic, b"5", float(i)) for i in range(3) for topic in ("a/x", "a/y", "b/c/x", "b/c/y")]
    plans = grouped(profiles(heard, "UTC"))
    names = [name for plan in plans for name, _, _ in plan.features()]
    assert sorted(names) == ["a.x", "a.y", "b.x", "b.y"]


@pytest.mark.parametrize("feature", sorted(NUMERIC))
def test_each_of_them_can_be_predicted(feature: str) -> None:
    plans = grouped(profiles(plant(5), "Europe/Paris"))
    proposal = Proposal("home", {"host": "broker"}, plans, feature, (3600.0,), "Europe/Paris")
    proposal.derive = default_derive(feature, (3600.0,), "Europe/Paris")
    config = config_of(proposal)
    assert config.broker == {"host": "broker"}
    assert config.label is not None
    assert config.label.feature == feature


def test_a_recording_becomes_a_configuration_that_learns_it(tmp_path: Path) -> None:
    recording, output = write(tmp_path / "heard.jsonl", plant(150)), tmp_path / "device.toml"
    done = run("init", recording, "--predict", "house_power", "--horizon", "30m", "--output", output)
    assert done.exit_code == 0, done.output
    assert "  outdoor: " in done.output
    text = output.read_text()
    assert "# Tried on 1650 messages: mean absolute error " in text
    assert configuration.load(output).assembly_settings() is not None
    done = run("assemble", output, "--recording", recording)
    rows = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    # The last one has waited for its label for half an hour.
    assert len(rows) > 100
    assert {"house_power", "bathroom.humidity", "tank.level"} <= set(rows[-1]["x"])
    assert isinstance(rows[-1]["x"]["outdoor"], float)
    # Of several horizons, in whatever order, each gets a model, and the same trial.
    several = tmp_path / "several.toml"
    done = run(
        "init", recording, "--predict", "house_power", *("--horizon", "30m", "--horizon", "5m"), "--output", several
    )
    assert done.exit_code == 0, done.output
    assert {json.loads(line)["horizon_s"] for line in done.output.splitlines() if line.startswith("{")} == {300, 1800}
    assert "horizon_s = [300, 1800]\n" in several.read_text()
    assert "# Tried on 1650 messages: mean absolute error " in several.read_text()
    # It does not replace what is there.
    done = run("init", recording, "--predict", "house_power", "--output", output)
    assert done.exit_code == 1
    assert "exists already" in done.output
    assert output.read_text() == text


def test_the_nodes_of_a_group_become_an_input_by_their_births(tmp_path: Path) -> None:
    now, heard = [1_767_607_200.0], list[Heard]()
    nodes = [EdgeNode(name, group, lambda: int(now[0] * 1000)) for name, group in (("a", "g"), ("b", "g"), ("a", "h"))]
    births = [node.connect(M("load", 0.5), M("text", "x", 12)) for node in nodes]
    births += [nodes[0].device_birth("motor", M("Temp/C", 40.0))]
    heard = [Heard(*one, now[0]) for one in births]
    for i in range(100):
        now[0] += 10.0
        heard += [Heard(*node.data("", M("load", i % 7 / 7)), now[0]) for node in nodes]
        heard.append(Heard(*nodes[0].data("motor", M("Temp/C", 40.0 + i % 9)), now[0]))
    heard.append(Heard("spBv1.0/STATE/scada", b'{"online": true}', now[0]))
    recording, output = write(tmp_path / "heard.jsonl", heard), tmp_path / "device.toml"
    done = run("init", recording, "--predict", "g.a.motor.Temp/C", "--horizon", "1m", "--output", output)
    assert done.exit_code == 0, done.output
    assert "spBv1.0/g/+/+/#  (sparkplug, 1 topics)" in done.output
    # There is another node of this name.
    assert "  g.a.motor.Temp/C: 40 to 48\n" in done.output
    settings = configuration.load(output).assembly_settings()
    assert settings is not None
    assert sorted(one.topics for one in settings.inputs.values()) == [
        ("spBv1.0/STATE/scada",),
        ("spBv1.0/g/+/+/#",),
        ("spBv1.0/h/+/+/#",),
    ]
    done = run("assemble", output, "--recording", recording)
    rows = [json.loads(line) for line in done.output.splitlines() if line.startswith("{")]
    assert {"g.a.motor.Temp/C", "g.b.load"} <= set(rows[-1]["x"])


def test_what_cannot_be_done_is_told(tmp_path: Path) -> None:
    recording = write(tmp_path / "heard.jsonl", plant(5))
    output = tmp_path / "device.toml"
    done = run("init", recording, "--predict", "house_powr", "--output", output)
    assert "`--predict` is 'house_powr': expected one of " in done.output
    assert "Did you mean `house_power`?" in done.output
    assert not output.exists()
    assert "give --predict" in run("init", recording, "--output", output).output
    assert run("init", recording, "--list").exit_code == 0
    nothing = write(tmp_path / "nothing.jsonl", [Heard("a", b"hello", 0.0)])
    assert "1 messages were heard, and no number in them." in run("init", nothing, "--list").output


@pytest.mark.parametrize(
    "url", ["http://broker", "mqtt://", "mqtt://a:b@broker", "mqtt://broker:port", "mqtt://broker/x"]
)
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        broker_table(url)


def test_it_listens_to_a_broker_and_the_daemon_runs_what_it_wrote(tmp_path: Path) -> None:
    with running_broker() as broker, DevicePeer(broker.port, device="x") as peer:
        stop = threading.Event()

        def publish() -> None:
            while not stop.is_set():
                for one in plant(1, start=time.time()):
                    peer.publish(one.topic, one.payload)
                time.sleep(0.1)

        sender = threading.Thread(target=publish)
        sender.start()
        try:
            command = [sys.executable, "-m", "edgedescent"]
            environment = {**os.environ, "EDGEDESCENT_BROKER__PROTOCOL": broker.protocols[0]}
            # Nobody waits for late messages here.
            environment["EDGEDESCENT_ASSEMBLY__LATENESS_S"] = "1.5"
            url = f"mqtt://127.0.0.1:{broker.port}"
            options = ["--listen", "1.5", "--predict", "house_power", "--horizon", "60s", "--device", "pump"]
            done = subprocess.run(
                [*command, "init", url, *options],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
            assert done.returncode == 0, done.stderr
            assert tomllib.loads((tmp_path / "device.toml").read_text())["broker"]["port"] == broker.port
            dry = subprocess.run(
                [*command, "run", "device.toml", "--dry-run", "--seconds", "3", "--show", "vectors"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
        finally:
            stop.set()
            sender.join()
    assert dry.returncode == 0, dry.stderr
    vectors = [json.loads(line) for line in dry.stdout.splitlines() if line.startswith("{")]
    assert vectors
    assert "tank.level" in vectors[-1]["x"]
