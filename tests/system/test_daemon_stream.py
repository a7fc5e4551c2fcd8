"""What goes in is learned, and answered, over every broker, protocol and quality of service."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerKind, BrokerProcess
from support.brokers import running_broker
from support.daemon_process import DaemonProcess, assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import event, events, ids_in
from support.waiting import eventually

GARBAGE = {
    b"": "malformed",
    b"\x00\xff\xfe": "malformed",
    b"not json": "malformed",
    b'{"x": {"a": 1}, "y": 2': "malformed",
    b"[]]": "malformed",
    b"42": "wrong_type",
    b"null": "wrong_type",
    b'{"x": [1, 2], "y": 3}': "wrong_type",
    b'{"x": {"a": 1}, "y": [3]}': "wrong_type",
    b'{"y": 3}': "missing_field",
    b'{"x": {"a": 1}, "y": 1e300}': "out_of_range",
    b"[" * 5000: "too_deep",
    b'{"id": "big", "x": {"a": 1}, "y": 1, "note": "' + b"." * 20_000 + b'"}': "too_large",
}
WAYS: list[tuple[BrokerKind, str, int]] = [
    ("mosquitto", "5", 1),
    ("mosquitto", "5", 0),
    ("mosquitto", "3.1.1", 1),
    ("mosquitto", "3.1.1", 0),
    ("amqtt", "3.1.1", 1),
    ("amqtt", "3.1.1", 0),
]


@pytest.mark.parametrize(("kind", "protocol", "qos"), WAYS)
def test_events_are_learned_and_answered(make_daemon: Any, kind: BrokerKind, protocol: str, qos: int) -> None:
    singles = events(0, 60)
    array = json.dumps([event(i) for i in range(60, 100)]).encode()
    asked = json.dumps({"id": "ask", "x": event(7)["x"]}).encode()
    mixed = json.dumps([event(100), {"id": "bad", "x": "?"}, {"id": "ask2", "x": {}}, event(101)]).encode()
    payloads = [*singles, array, asked, mixed]
    with (
        running_broker(kind) as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(
            broker.port,
            broker=f'protocol = "{protocol}"\nqos = {qos}\npublish_qos = {qos}',
            tables="[limits]\npayload_bytes_max = 16384",
        ) as daemon,
    ):
        daemon.connected()
        peer.send(payloads, qos=qos)
        expected = daemon.undisturbed(payloads)
        answers = peer.answered({f"e{i}" for i in range(102)} | {"ask", "ask2"})
        assert "y" not in answers["ask"]
        assert answers["ask"]["prediction"] == pytest.approx(3 * 27 - 5 * (49 % 11) / 3 + 0.5, abs=15)
        assert answers["e5"]["y"] == event(5)["y"]
        assert [a["id"] for a in peer.answers()] == [i for i in ids_in(payloads) if i != "bad"]

        peer.send(list(GARBAGE), qos=qos)
        status = daemon.counted(len(GARBAGE) + 1, "dead_letters")
        for reason in set(GARBAGE.values()):
            mixed_in = reason == "wrong_type"
            assert status[f"dead_letters.{reason}"] == list(GARBAGE.values()).count(reason) + mixed_in
        peer.send(events(102, 104), qos=qos)
        peer.answered({"e102", "e103"})
        daemon.stop()
        assert "Traceback" not in daemon.log
        more = daemon.undisturbed([*payloads, *GARBAGE, *events(102, 104)])
        assert_same_learning(daemon.recovered(), more)
        assert expected.counters["events_learned"] == 102
        metrics = json.loads(peer.of("metrics")[-1])
        assert metrics["device"] == "pump"
        assert peer.states() == ["online", "stopped"]


def test_a_recommender_learns_ratings(broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any) -> None:
    ratings = [
        json.dumps({"id": f"r{i}", "user": f"u{i % 7}", "item": i % 11, "y": float(i % 7 + i % 11)}).encode()
        for i in range(300)
    ]
    with make_daemon(broker.port, broker=settings, learner="MatrixFactorization") as daemon:
        daemon.connected()
        peer.send([*ratings, b'{"id": "ask", "user": "u3", "item": 4}', b'{"id": "x", "x": {"a": 1}}'])
        answers = peer.answered({"ask"})
        assert answers["ask"]["prediction"] == daemon.undisturbed(ratings).learner.predict_one("u3", 4)
        daemon.counted(1, "dead_letters")


def test_a_retained_event_is_not_learned_at_every_start(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    if "5" not in broker.protocols:
        pytest.skip("only MQTT 5 can ask for retained events once")
    peer.send([b'{"x": {"a": 1}, "y": 1}'], retain=True)
    daemon: DaemonProcess = make_daemon(broker.port, broker=settings)
    with daemon:
        daemon.counted(1)
        daemon.stop()
        daemon.start().connected(2)
        peer.send([b'{"x": {"a": 1}, "y": 2}'])
        assert daemon.counted(2)["events_learned"] == 2


def test_memory_stays_small_with_100_features(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    names = [f"sensor-{i:02d}" for i in range(100)]
    payloads = []
    for first in range(0, 20_000, 100):
        batch = [
            {"id": f"m{i}", "x": {name: (i * 31 + j * 17) % 97 / 9 for j, name in enumerate(names)}, "y": i % 50}
            for i in range(first, first + 100)
        ]
        payloads.append(json.dumps(batch).encode())
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(payloads)
        daemon.counted(20_000)
        print(f"{daemon.status()['memory_bytes'] / 2**20:.1f} MiB")
        pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1])
        assert pages * os.sysconf("SC_PAGE_SIZE") < 60 * 2**20


@pytest.mark.parametrize("reachable", [True, False])
def test_an_idle_daemon_rests(broker: BrokerProcess, settings: str, make_daemon: Any, reachable: bool) -> None:
    if not reachable:
        broker.stop()
    with make_daemon(broker.port, broker=settings, metrics_s=10.0) as daemon:
        if reachable:
            daemon.connected()
        else:
            daemon.logged("No connection", 3)

        def rests() -> bool:
            before, since = cpu_seconds(daemon.pid), time.monotonic()
            time.sleep(3.0)
            # At most 1 %, and two ticks for what the clock cannot tell.
            return cpu_seconds(daemon.pid) - before < 0.01 * (time.monotonic() - since) + 0.02

        # Again where another process had emptied the caches; one that is never idle does not get there.
        eventually(rests, "three seconds of rest")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
