"""The daemon's benchmark: that everyone faces the same, that it judges rightly, and that it says what is missing."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgedescent.errors import TransportError
from edgedescent.formats import JsonFormat
from edgedescent_sims.broker.process import find_mosquitto
from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Times are read from /proc.")
needs_mosquitto = pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, found as the modules beside it are."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("daemon")


@pytest.fixture
def backlog(bench: ModuleType) -> ModuleType:
    return importlib.import_module("backlog")


@pytest.fixture
def consumers(bench: ModuleType) -> ModuleType:
    return importlib.import_module("consumers")


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PATH": path} if path is not None else {})}
    return subprocess.run(
        [sys.executable, "bench/daemon.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env=environment,
    )


class TestJudging:
    def result(self, bench: ModuleType, case: Any, speeds: Sequence[float], memory_mib: float = 50.0) -> Any:
        runs = [bench.Drained(speed, 8.0, 4.0, memory_mib) for speed in speeds]
        return bench.Result(case, runs)

    @pytest.mark.parametrize(("ours", "passed"), [(49_999.0, False), (50_001.0, True)])
    def test_ours_is_held_against_the_peers_median(self, bench: ModuleType, ours: float, passed: bool) -> None:
        results = [
            self.result(bench, bench.SUB[0], [1.0, 100_000.0, 900_000.0]),
            self.result(bench, bench.OURS[0], [1.0, ours, 900_000.0]),
        ]
        rate, memory = bench.judge(results)
        assert (rate.passed, memory.passed) == (passed, True)
        assert rate.reached == pytest.approx(ours / 100_000)
        assert rate.target == "EdgeDescent, power, QoS 0: at least 0.5 times mosquitto_sub, QoS 0"
        table = bench.as_table(results)
        assert "100,000" in table
        assert "1.00" in table
        answer = json.loads(bench.as_json(results, [rate, memory], ["x: why"], {"Python": "3"}, "again"))
        assert answer["passed"] is passed
        assert answer["skipped"] == ["x: why"]
        assert answer["cases"][1]["runs"][1]["messages_per_s"] == ours

    @pytest.mark.parametrize(("messages", "passed"), [(2499.0, False), (2501.0, True)])
    def test_arrays_are_judged_by_their_events(self, bench: ModuleType, messages: float, passed: bool) -> None:
        rate, _ = bench.judge([self.result(bench, bench.ARRAYS[1], [messages])])
        assert rate.passed is passed
        assert rate.reached == messages * 100

    def test_memory_is_judged_by_the_worst_run(self, bench: ModuleType) -> None:
        results = [
            self.result(bench, case, [1.0], mib) for case, mib in zip(bench.ARRAYS, (50, 61, 50, 50), strict=True)
        ]
        assert bench.judge(results)[-1].reached == 61
        assert not bench.judge(results)[-1].passed
        assert bench.judge([self.result(bench, bench.SCRIPT[0], [1.0], 120.0)]) == []

    def test_every_target_is_on_what_is_measured(self, bench: ModuleType) -> None:
        assert {case for target in bench.TARGETS for case in (target.case, target.other) if case} <= set(bench.CASES)
        assert len({str(case) for case in bench.CASES}) == len(bench.CASES)


class TestLoad:
    def test_everyone_gets_the_same_usable_events(self, bench: ModuleType) -> None:
        json_format = JsonFormat("features", payload_bytes_max=1 << 20, events_per_message_max=1000)
        for per_message in (1, bench.ARRAY):
            made = bench.load(50, per_message)
            assert made == bench.load(50, per_message)
            assert len(made.backlog) == 50
            assert len(made.warm_up) * per_message == bench.WARM_UP_MESSAGES
            decoded = [piece for payload in (*made.warm_up, *made.backlog) for piece in json_format.read(payload)]
            assert all(len(piece.events) == per_message and not piece.rejected for piece in decoded)
            ids = [event.id for piece in decoded for _, event in piece.events]
            assert len(set(ids)) == len(ids)

    def test_numbers_of_topics_become_events(self, bench: ModuleType, consumers: ModuleType) -> None:
        made = bench.load(40, bench.FUSED.events_per_message)
        assert made == bench.load(40, bench.FUSED.events_per_message)
        assert (len(made.backlog), len(made.topics)) == (40, consumers.N_TOPICS)
        assert len(made.warm_up) == bench.WARM_UP_MESSAGES * consumers.N_TOPICS
        assert all(float(payload) for payload in (*made.warm_up, *made.backlog))

    @pytest.mark.parametrize(("cpu_us", "passed"), [(11.9, True), (12.1, False)])
    def test_fusion_is_judged_by_its_processor_time(self, bench: ModuleType, cpu_us: float, passed: bool) -> None:
        plain = bench.Result(bench.OURS[1], [bench.Drained(1e6, 8.0, 4.0, 50.0)])
        fused = bench.Result(bench.FUSED, [bench.Drained(1e6, cpu_us, 4.0, 50.0)])
        (verdict,) = [one for one in bench.judge([plain, fused]) if "processor time" in one.target]
        assert verdict.passed is passed
        assert verdict.reached == cpu_us / 8.0

    @needs_mosquitto
    def test_what_is_published_arrives_whole_and_in_order(self, backlog: ModuleType) -> None:
        payloads = [b"", b"x" * 100, b"y" * 200, b"z" * 20_000, *(b"%d" % i for i in range(3000))]
        got: list[bytes] = []
        with backlog.BacklogBroker() as broker:
            client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="reader")
            client.on_connect = lambda c, *_: c.subscribe("t", 1)
            client.on_message = lambda _c, _d, message: got.append(message.payload)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            broker.wait_for_subscription("reader")
            backlog.publish(broker.port, ["t"], payloads)
            broker._wait_for(lambda: len(got) == len(payloads), "not everything arrives")
            client.disconnect()
            client.loop_stop()
        assert got == payloads

    def test_a_broker_that_hangs_up_is_told(self, backlog: ModuleType) -> None:
        ours, theirs = socket.socketpair()
        theirs.close()
        with ours, pytest.raises(TransportError, match="closed the publisher's connection"):
            backlog._receive(ours, 4)


class TestConsumers:
    def test_cpu_and_memory_are_the_processs_own(self, consumers: ModuleType) -> None:
        code = "sum(range(10_000_000)); x = bytearray(50_000_000); print(flush=True); input()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            cpu_s, mib = consumers.cpu_seconds(process.pid), consumers.peak_mib(process.pid)
            process.communicate(b"\n")
        assert 0.05 < cpu_s < 60
        assert 50 < mib < 120

    @needs_mosquitto
    def test_a_consumer_that_fails_is_told_with_its_reason(
        self, bench: ModuleType, consumers: ModuleType, tmp_path: Path
    ) -> None:
        class Failing(consumers.OurDaemon):  # type: ignore[name-defined,misc]
            durability = "none"

        with (
            Failing(tmp_path, 1, 0, bench.load(10, 1)) as consumer,
            pytest.raises(RuntimeError, match=r"ended too early: .*state\.durability"),
        ):
            consumer.drain(lambda _: None, os.getpid())


class TestCommand:
    @needs_mosquitto
    def test_it_measures_and_prints_json(self) -> None:
        done = run("--runs", "1", "--messages", "2000", "--arrays", "100", "--only", "EdgeDescent, power", "--json")
        assert done.stderr == ""
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["passed"] else 1)
        assert [(c["consumer"], c["qos"], c["events_per_message"]) for c in answer["cases"]] == [
            ("EdgeDescent, power", qos, per_message) for per_message in (1, 100) for qos in (0, 1)
        ]
        for case in answer["cases"]:
            assert case["messages_per_s"] > 10
            assert case["events_per_s"] == pytest.approx(case["messages_per_s"] * case["events_per_message"], rel=1e-3)
            assert 20 < case["memory_mib"] < 100
        assert {"paho-mqtt", "file system", "processor", "cores"} <= answer["ran_on"].keys()
        assert answer["again"].startswith("python bench/daemon.py --runs 1")

    @needs_mosquitto
    def test_what_is_not_installed_is_skipped_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "mosquitto").symlink_to(str(find_mosquitto()))
        done = run("--messages", "1000", "--arrays", "100", "--only", "mosquitto_sub", path=str(tmp_path))
        assert done.returncode == 0
        assert (
            "skipped  mosquitto_sub, QoS 0: mosquitto_sub is not installed; on Debian: apt-get install" in done.stdout
        )

    def test_without_a_broker_it_is_one_line(self, tmp_path: Path) -> None:
        if any((Path(folder) / "mosquitto").exists() for folder in ("/usr/sbin", "/usr/local/sbin")):
            pytest.skip("mosquitto is found without PATH")
        done = run("--only", "EdgeDescent, power, QoS 1", "--quick", path=str(tmp_path))
        assert done.returncode == 1
        assert done.stderr == "Error: mosquitto is not installed. On Debian: apt-get install mosquitto\n"

    def test_an_unknown_consumer_is_one_line(self) -> None:
        done = run("--only", "kafka")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: No consumer holds 'kafka'. There are: mosquitto_sub, QoS 0;")

    def test_help_has_an_example(self) -> None:
        done = run("--help")
        assert done.returncode == 0
        assert "Example: python bench/daemon.py" in done.stdout
