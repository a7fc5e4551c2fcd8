"""The state folder: one daemon at a time, damage survived, a full disk told, nothing acknowledged that is not safe."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import sqlite3
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.brokers import running_broker
from support.daemon_process import DaemonProcess, assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import events
from support.waiting import eventually


def test_a_second_daemon_refuses_in_one_line(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings) as first:
        first.connected()
        tables = f'[state]\npath = "{first.state_path}"'
        with make_daemon(broker.port, device="second", broker=settings, tables=tables) as second:
            assert second.wait() == 1
            assert second.log.startswith(f"Error: Another daemon (process {first.pid}) is using the state folder")
            assert second.log.count("\n") == 1
        peer.send(events(0, 10))
        peer.answered({"e9"})


def test_another_learner_on_the_same_folder_is_refused(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        daemon.stop()
    with make_daemon(broker.port, broker=settings, learner="MatrixFactorization") as other:
        assert other.wait() == 1
        last = other.log.splitlines()[-1]
        assert last.startswith("Error: ")
        assert "'LinearRegressor' there, 'MatrixFactorization' here" in last
        assert "Traceback" not in other.log


def test_a_deleted_state_folder_ends_the_daemon_before_anything_is_acknowledged(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(events(0, 10))
        daemon.counted(10)
        shutil.rmtree(daemon.state_path)
        peer.send(events(10, 20))
        assert daemon.wait() == 1
        assert "everything saved" not in daemon.log
        assert re.search(r"Error: The state in .* was deleted, moved or replaced .*\n\Z", daemon.log)
        # What came after the deletion is still with the broker.
        daemon.start()
        daemon.counted(10)
        daemon.stop()
        assert daemon.log.count("There is no state in ") == 2
        assert {message.payload for message in daemon.journal()} >= set(events(10, 20))


def spoil(daemon: DaemonProcess, statement: str) -> None:
    """Do to the state file what a failing SD card might."""
    database = sqlite3.connect(daemon.state_path / "edgedescent.db")
    with database:
        assert database.execute(statement).rowcount > 0
    database.close()


def test_a_damaged_checkpoint_costs_nothing(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    environment = {"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "100"}
    with make_daemon(broker.port, broker=settings, environment=environment) as daemon:
        daemon.connected()
        for first in range(0, 500, 100):
            peer.send(events(first, first + 100))
            daemon.counted(first + 100)
        daemon.stop()
        spoil(
            daemon,
            "UPDATE checkpoints SET data = CAST(substr(data, 1, 60) || x'00ff' || substr(data, 63) AS BLOB) "
            "WHERE position = (SELECT max(position) FROM checkpoints)",
        )
        daemon.start()
        daemon.logged(r"ERROR The checkpoint at message 500 is not usable: .*checksum does not match")
        daemon.logged(r"INFO Processed messages \d+ to 500 of the journal again")
        daemon.connected(2)
        peer.send(events(500, 600))
        daemon.counted(600)
        daemon.stop()
        # The damage was mended at the start: the next one meets none.
        before = len(daemon.log)
        daemon.start()
        daemon.connected(3)
        assert "ERROR" not in daemon.log[before:]
        daemon.stop()
    assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, 600)))


def test_a_damaged_file_is_told_and_what_is_left_of_it_used(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(events(0, 300))
        daemon.counted(300)
        daemon.stop()
        path = daemon.state_path / "edgedescent.db"
        content = path.read_bytes()
        path.write_bytes(b"not a database!!" + content[16:])
        daemon.start()
        daemon.logged(r"ERROR .*damaged")
        daemon.connected(2)
        peer.send(events(300, 310))
        peer.answered({"e309"})
        daemon.stop()
        assert "Traceback" not in daemon.log
        assert list(daemon.state_path.glob("*damaged*"))


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_disk_that_fails_ends_it_and_loses_nothing(make_daemon: Any, protocol: str) -> None:
    payloads = events(0, 600)
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer:
        daemon = make_daemon(broker.port, broker=f'protocol = "{protocol}"')
        with daemon:
            daemon.connected()
            peer.send(payloads[:200])
            daemon.counted(200)
            # From now on no file may grow: an error that is none of a full disk's.
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1024, 1024))
            peer.send(payloads[200:400])
            assert daemon.wait() == 1
            last = daemon.log.splitlines()[-1]
            assert last.startswith("Error: The state file")
            assert "Hint: " in last
            assert "Traceback" not in daemon.log
            peer.state("offline")
            daemon.start()
            peer.send(payloads[400:])
            daemon.counted(600)
            daemon.stop()
        assert_same_learning(daemon.recovered(), daemon.undisturbed(payloads))


def test_a_journal_that_outgrows_its_bound_is_trimmed(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    environment = {"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "100", "EDGEDESCENT_STATE__JOURNAL_BYTES_MAX": "2000"}
    with make_daemon(broker.port, broker=settings, environment=environment) as daemon:
        daemon.connected()
        for first in range(0, 800, 100):
            peer.send(events(first, first + 100))
            daemon.counted(first + 100)
        daemon.kill()
        daemon.start()
        daemon.counted(800)
        daemon.stop(signal.SIGINT)
    assert daemon.journal()[0].position > 1
    assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, 800)))


@pytest.mark.parametrize("count", [8, 11, 12, 16])
def test_few_file_descriptors_are_told_in_one_line_and_lose_nothing(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, count: int
) -> None:
    daemon = make_daemon(broker.port, broker=settings, wrapper=("prlimit", f"--nofile={count}"))
    with daemon:
        told = r"INFO Receiving|WARNING No connection .* Too many open files|Error: "
        eventually(lambda: re.search(told, daemon.log), "a connection, a warning or an end")
        if "INFO Receiving" in daemon.log:
            peer.send(events(0, 10))
            daemon.stop()
            assert daemon.log.endswith("with everything saved.\n")
            # A stop receives nothing more: what it left waits at the broker.
            daemon.start()
            daemon.counted(10)
            daemon.stop()
            assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, 10)))
        elif "WARNING" in daemon.log:
            daemon.stop()
        else:
            assert daemon.wait() == 1
            assert daemon.log.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in daemon.log
