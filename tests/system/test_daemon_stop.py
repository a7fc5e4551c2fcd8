"""A daemon that is asked to stop does so in good order and in time, whatever its broker does."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.brokers import running_broker
from support.daemon_process import assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import Sender, events
from support.fake_broker import FakeBroker
from support.fault_proxy import FaultProxy
from support.waiting import eventually


@pytest.mark.rounds(quick=3, long=50)
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_under_load_nothing_is_lost_nor_comes_again(
    make_daemon: Any, rounds: Iterable[int], chance: random.Random, protocol: str
) -> None:
    payloads: list[bytes] = []
    saved: list[int] = []
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer, FaultProxy(broker.port) as wire:
        daemon = make_daemon(wire.port, broker=f'protocol = "{protocol}"\nreceive_max = 100')
        with daemon:
            daemon.connected()
            for life in rounds:
                made = events(len(payloads), len(payloads) + 800)
                payloads += made
                before = peer.answers_count
                with Sender(peer, made, pause_s=0.002) as sender:
                    # While Python starts, a signal ends it at once; nothing is open by then.
                    daemon.connected(life + 1)
                    eventually(lambda before=before: peer.answers_count > before, "an answer")
                    time.sleep(chance.uniform(0.0, 0.1))
                    how = chance.choice([signal.SIGTERM, signal.SIGINT])
                    daemon.stop(how)
                    assert daemon.log.count(f"{how.name} received: stopping.") > 0
                    saved.append(int(daemon.logged(r"Stopped at message (\d+) with everything saved", life + 1)[-1]))
                    daemon.start()
                    sender.join()
            daemon.counted(len(payloads))
            peer.state("online")
            daemon.stop()
            peer.state("stopped")
        assert peer.states() == ["online", "stopped"] * (len(saved) + 1)
        assert "Traceback" not in daemon.log
    # What was learned, the broker never sends again. What it sends while the goodbye is on its way may come twice:
    # it goes unread the first time.
    assert len(wire.connections) == len(saved) + 1
    number = {payload: i for i, payload in enumerate(payloads, start=1)}
    heard = [connection.published(five=protocol == "5") for connection in wire.connections]
    for position, following in zip(saved, heard[1:], strict=True):
        assert all(number[event.payload] > position for event in following)
    unread = sum(event.dup for following in heard for event in following)
    assert sum(map(len, heard)) - len(payloads) == unread
    print(f"{len(saved)} stops, {len(payloads)} events, {unread} sent while the device closed and again after it")
    engine = daemon.recovered()
    assert engine.counters["duplicates"] == 0
    assert [message.payload for message in daemon.journal()] == payloads
    assert_same_learning(engine, daemon.undisturbed(payloads))


def test_what_came_too_late_is_learned_after_the_next_start(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        daemon.stop()
        peer.send(events(0, 50))
        if broker.kind == "amqtt":
            pytest.skip("the embedded broker keeps nothing for whoever is away")
        daemon.start()
        daemon.counted(50)


@pytest.mark.parametrize("options", ["", "[broker.tls]", 'host = "broker.invalid"', 'host = "192.0.2.1"'])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_without_an_answer_it_stops_in_time(make_daemon: Any, options: str, how: signal.Signals) -> None:
    with FakeBroker() as silent, make_daemon(silent.port, broker=options) as daemon:
        daemon.logged("INFO Learning")
        time.sleep(0.3)  # So that the signal meets it while it tries to connect.
        daemon.stop(how)
        assert daemon.log.endswith("Stopped at message 0 with everything saved.\n")


def test_without_a_broker_it_stops_in_time_and_tells_of_its_attempts(broker: BrokerProcess, make_daemon: Any) -> None:
    broker.stop()
    with make_daemon(broker.port, broker="reconnect_max_s = 0.8") as daemon:
        delays = [float(d) for d in daemon.logged(r"Connection refused\. Next attempt in ([\d.]+) s", 6)]
        daemon.stop()
    # They double from 0.1 s up to 0.8 s and each is cut by up to a half.
    for delay, bound in zip(delays, [0.1, 0.2, 0.4, 0.8, 0.8, 0.8], strict=False):
        assert bound / 2 - 0.05 <= delay <= bound + 0.05
    assert "Traceback" not in daemon.log
    assert len(set(delays)) > 1


def test_a_second_signal_changes_nothing(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        for _ in range(5):
            daemon.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert re.search(r"Stopped at message 0 with everything saved\.\n$", daemon.log)


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """Writing end of a pipe that is full and that nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"full" * 1024)
    os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


def test_a_log_that_nobody_reads_stops_nothing(make_daemon: Any, full_pipe: int) -> None:
    tables = "[logs]\nlimit_per_10_s = 1000000\n"
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer:
        daemon = make_daemon(broker.port, tables=tables)
        daemon.stderr = full_pipe
        with daemon:
            peer.state("online")
            # Each is a warning of its own.
            peer.send([b"not an event"] * 1000)
            peer.send(events(0, 10))
            status = daemon.counted(10)
            assert status["dead_letters"] == 1000
            assert daemon.counted(1, "log_lines_dropped")["log_lines_dropped"] > 100
            daemon.stop()
            assert daemon.recovered().counters["events_learned"] == 10


def test_an_error_at_the_start_ends_it_even_if_nobody_reads(make_daemon: Any, full_pipe: int) -> None:
    daemon = make_daemon(1, tables="[nonsense]\n")
    daemon.stderr = full_pipe
    with daemon:
        assert daemon.wait() == os.EX_CONFIG


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGQUIT])
def test_without_standard_error_it_works_and_other_signals_stop_it_in_order(
    make_daemon: Any, how: signal.Signals
) -> None:
    wrapper = ("sh", "-c", 'exec "$@" 2>&- <&-', "sh")
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, wrapper=wrapper) as daemon,
    ):
        peer.state("online")
        peer.send(events(0, 10))
        daemon.counted(10)
        daemon.send_signal(signal.SIGUSR2)
        peer.send(events(10, 20))
        daemon.counted(20)
        daemon.stop(how)
        assert daemon.log == ""
        assert daemon.recovered().counters["events_learned"] == 20
