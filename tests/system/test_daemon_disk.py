"""Disks that fail, lose power, are full or read-only: nothing is acknowledged that is not safe, and all is learned."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from support.brokers import running_broker
from support.command_line import run_json
from support.daemon_process import DaemonProcess, assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import Sender, events
from support.fault_proxy import FaultProxy, ProxiedConnection
from support.small_disk import SmallDisk
from support.state_folder import bits
from support.waiting import PATIENCE_S, eventually


def tracing(fault: str, when: int) -> list[str]:
    """What starts a command with the `when`-th sync failing, and each after it as the kernel has it."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    calls = "fsync,fdatasync"
    # Stopped only in these calls: otherwise it is in all of them, which takes most of the time of a daemon.
    words = ["--seccomp-bpf", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    return [strace, *words, "-e", f"inject={calls}:error={fault}:when={when}"]


def acknowledged(connection: ProxiedConnection) -> list[bytes]:
    """The events that a device let the broker forget."""
    published = connection.published(five=True)
    confirmed = connection.acknowledged()
    assert [event.packet_id for event in published[: len(confirmed)]] == confirmed
    return [event.payload for event in published[: len(confirmed)]]


def assert_safe(daemon: DaemonProcess, wire: FaultProxy) -> None:
    """Nothing was acknowledged that is not in the journal."""
    journal = {message.payload for message in daemon.journal()} if list(daemon.state_path.glob("*.db")) else set()
    for connection in wire.connections:
        assert set(acknowledged(connection)) <= journal


@pytest.mark.rounds(quick=3, long=40)
def test_a_failed_sync_ends_it_unacknowledged(make_daemon: Any, rounds: Iterable[int], chance: random.Random) -> None:
    sent = 0
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer, FaultProxy(broker.port) as wire:
        quick = {"EDGEDESCENT_STATE__COMMIT_INTERVAL_S": "0.01"}
        daemon = make_daemon(wire.port, broker="receive_max = 50", environment=quick)
        with daemon:
            daemon.connected()
            daemon.stop()
            for life in rounds:
                # The first few are those of opening the state; the later ones fall into commits and checkpoints.
                when = chance.randint(1, 10) if life % 4 == 3 else chance.randint(8, 60)
                daemon.wrapper = tracing("EIO", when)
                daemon.start()
                until, learned = time.monotonic() + PATIENCE_S, sent
                while daemon.running:
                    assert time.monotonic() < until, f"it survived its sync number {when}"
                    # As fast as the disk lets it, and no faster: what is left over has to be learned in the next life.
                    if sent - max(daemon.status().get("events_learned", 0), learned) < 400:
                        peer.send(events(sent, sent + 20))
                        sent += 20
                    else:
                        time.sleep(0.005)
                assert daemon.wait() == 1
                assert daemon.log.splitlines()[-1].startswith("Error: ")
                assert_safe(daemon, wire)
                daemon.wrapper = ()
                daemon.start()
                daemon.counted(sent)
                daemon.stop()
        assert "Traceback" not in daemon.log
        assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, sent)))


@pytest.mark.rounds(quick=2, long=20)
def test_a_power_cut_loses_nothing(
    make_daemon: Any, tmp_path: Path, rounds: Iterable[int], chance: random.Random
) -> None:
    sent = 0
    with (
        SmallDisk(tmp_path / "card", "ext4", 16) as disk,
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        FaultProxy(broker.port) as wire,
    ):
        state = f'[state]\npath = "{disk.path / "state"}"'
        daemon = make_daemon(wire.port, broker="receive_max = 50", tables=state)
        daemon.state_path = disk.path / "state"
        with daemon:
            daemon.connected()
            for _ in rounds:
                made = events(sent, sent + 1000)
                before = peer.answers_count
                with Sender(peer, made, pause_s=0.002) as sender:
                    eventually(lambda before=before: peer.answers_count > before, "an answer")
                    time.sleep(chance.uniform(0.0, 0.2))
                    # Without power nobody goes on. A sync that meets the cut half way would return as if it had worked.
                    daemon.send_signal(signal.SIGSTOP)
                    eventually(lambda: daemon.is_stopped, "standing still")
                    disk.cut_power()
                    daemon.kill()
                    sender.join()
                sent += len(made)
                disk.unmount()
                disk.mount()
                assert_safe(daemon, wire)
                daemon.start()
            daemon.counted(sent)
            daemon.stop()
        assert "Traceback" not in daemon.log
        assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, sent)))


@pytest.mark.rounds(quick=3, long=12)
def test_a_full_disk_is_waited_out(make_daemon: Any, tmp_path: Path, rounds: Iterable[int]) -> None:
    sent = 0
    with (
        SmallDisk(tmp_path / "card", "tmpfs", 8) as disk,
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        FaultProxy(broker.port) as wire,
    ):
        state = f'[state]\npath = "{disk.path / "state"}"\ncommit_interval_s = 0.01'
        daemon = make_daemon(wire.port, broker="receive_max = 50", tables=state)
        daemon.state_path = disk.path / "state"
        with daemon:
            daemon.connected()
            for life in rounds:
                peer.send(events(sent, sent + 100))
                daemon.counted(sent := sent + 100)
                disk.fill()
                # There may be room left within its files, which it finds by itself.
                for _ in range(10):
                    while state_of(peer) != "disk_full":
                        peer.send(events(sent, sent + 20))
                        sent += 20
                    connection = wire.connections[-1]
                    told, confirmed = said(daemon), len(connection.acknowledged())
                    assert_safe(daemon, wire)
                    peer.send(events(sent, sent + 200))
                    sent += 200
                    first = len(peer.of("metrics"))
                    eventually(lambda first=first: len(peer.of("metrics")) > first + 5, "metrics of a waiting daemon")
                    if said(daemon) == told:
                        break
                # It reports, and so it lives; it takes in nothing, and confirms nothing.
                assert said(daemon) == told
                assert state_of(peer) == "disk_full"
                assert len(connection.acknowledged()) == confirmed
                # What was asked on the device knows it too, although no file can grow.
                assert run_json("status", daemon.config_path)[0]["state"] == "disk_full"
                if life % 3 == 1:
                    daemon.kill()
                if life % 3 == 2:
                    daemon.stop()
                    assert "stay with the broker" in daemon.log
                disk.free()
                if life % 3:
                    daemon.start()
                else:
                    eventually(lambda told=told: said(daemon)[1] > told[1], "the disk's free space to be found")
                daemon.counted(sent)
            daemon.stop()
        assert "Traceback" not in daemon.log
        engine = daemon.recovered()
        assert_same_learning(engine, daemon.undisturbed(events(0, sent)))
        assert bits(engine) == bits(daemon.replayed())


def said(daemon: Any) -> tuple[int, int]:
    """How often the log tells of a full disk, and of free space again."""
    return daemon.log.count("Until then no messages are received"), daemon.log.count("The disk has free space again")


def state_of(peer: DevicePeer) -> str:
    """What the device last said that it is about."""
    metrics = peer.of("metrics")
    return str(json.loads(metrics[-1])["state"]) if metrics else ""


def test_a_disk_that_goes_dead_ends_it(make_daemon: Any, tmp_path: Path) -> None:
    with (
        SmallDisk(tmp_path / "card", "ext4", 16) as disk,
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
    ):
        daemon = make_daemon(broker.port, tables=f'[state]\npath = "{disk.path / "state"}"')
        daemon.state_path = disk.path / "state"
        with daemon:
            daemon.connected()
            peer.send(events(0, 100))
            peer.answered({"e99"})
            disk.cut_power()
            peer.send(events(100, 200))
            assert daemon.wait() == 1
            assert daemon.log.splitlines()[-1].startswith("Error: ")
            peer.state("offline")
            disk.unmount()
            disk.mount()
            daemon.start()
            daemon.counted(200)
            daemon.stop()
        assert "Traceback" not in daemon.log
        assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, 200)))


def test_a_read_only_disk_is_told_in_one_line(make_daemon: Any, tmp_path: Path) -> None:
    with (
        SmallDisk(tmp_path / "card", "ext4", 16) as disk,
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
    ):
        daemon = make_daemon(broker.port, tables=f'[state]\npath = "{disk.path / "state"}"')
        daemon.state_path = disk.path / "state"
        with daemon:
            daemon.connected()
            peer.send(events(0, 100))
            daemon.counted(100)
            daemon.stop()
            disk.protect(writable=False)
            before = len(daemon.log)
            daemon.start()
            assert daemon.wait() == 1
            (said,) = daemon.log[before:].splitlines()
            assert said.startswith("Error: ")
            assert "ead-only" in said
            disk.protect(writable=True)
            peer.send(events(100, 200))
            daemon.start()
            daemon.counted(200)
            daemon.stop()
        assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, 200)))
