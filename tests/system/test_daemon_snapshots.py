"""Snapshots beside the learning: on a signal and on schedule, published, and no danger to the daemon."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.device_peer import DevicePeer
from support.event_streams import events
from support.waiting import eventually

pytest.importorskip("onnxruntime")


def cards(peer: DevicePeer) -> list[dict[str, Any]]:
    """The snapshots that were announced."""
    return [json.loads(payload) for payload in peer.of("snapshots")]


def test_on_a_signal(broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(events(0, 300))
        daemon.counted(300)
        daemon.send_signal(signal.SIGUSR1)
        (card,) = eventually(lambda: cards(peer), "a snapshot")
        assert card["position"] == 300
        assert card["parity"]["max_rel_diff"] <= card["parity"]["tolerance"]
        assert Path(card["path"]).stat().st_size == card["bytes"]
        peer.send(events(300, 320))
        peer.answered({"e319"})
        daemon.stop()
        assert daemon.log.count("Snapshot at message 300 published") == 1
    if broker.kind == "mosquitto":
        with DevicePeer(broker.port) as late:
            assert eventually(lambda: cards(late), "the retained card") == [card]


@pytest.mark.parametrize("schedule", ["every_events = 200", "every_s = 0.5"])
def test_on_schedule(broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, schedule: str) -> None:
    with make_daemon(broker.port, broker=settings, tables=f"[snapshots]\n{schedule}\nkeep = 2") as daemon:
        daemon.connected()
        for first in range(0, 600, 100):
            peer.send(events(first, first + 100))
            daemon.counted(first + 100)
        first_card = eventually(lambda: cards(peer), "a snapshot")[0]
        assert 0 < first_card["position"] <= 600
        peer.send(events(600, 900))
        daemon.counted(900)
        eventually(lambda: len(cards(peer)) > 1, "another snapshot")
        # Stopped in the middle of the next export or not: it does not wait for it.
        daemon.stop()
        assert "ERROR" not in daemon.log


def test_a_broken_exporter_hurts_nobody(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    # The child process finds this in the place of the real package; the daemon does not import it.
    broken = tmp_path / "broken" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('built for another machine')\n")
    environment = {"PYTHONPATH": f"{broken.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with make_daemon(broker.port, broker=settings, environment=environment) as daemon:
        daemon.connected()
        peer.send(events(0, 50))
        daemon.counted(50)
        daemon.send_signal(signal.SIGUSR1)
        daemon.logged("ERROR The export failed: .*built for another machine")
        assert "Traceback" not in daemon.log
        peer.send(events(50, 60))
        peer.answered({"e59"})
        daemon.stop()
        assert cards(peer) == []
        assert not list(daemon.state_path.glob("snapshots/[0-9]*"))


def test_an_export_that_takes_too_long_is_killed(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging" / "onnxruntime"
    hanging.mkdir(parents=True)
    (hanging / "__init__.py").write_text("import time\ntime.sleep(600)\n")
    environment = {"PYTHONPATH": f"{hanging.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    tables = "[snapshots]\ntimeout_s = 2.5"
    with make_daemon(broker.port, broker=settings, tables=tables, environment=environment) as daemon:
        daemon.connected()
        peer.send(events(0, 50))
        daemon.counted(50)
        daemon.send_signal(signal.SIGUSR1)
        eventually(lambda: children(daemon.pid), "an export under way")
        peer.send(events(50, 60))
        peer.answered({"e59"})
        daemon.logged(r"ERROR The export took more than 2\.5 s and was killed")
        assert children(daemon.pid) == []
        daemon.send_signal(signal.SIGUSR1)
        (child,) = eventually(lambda: children(daemon.pid), "another export")
        daemon.stop()
        assert not Path(f"/proc/{child}").exists()


def test_nothing_to_export_is_told(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        daemon.send_signal(signal.SIGUSR1)
        daemon.logged("ERROR The export failed: There is no event to check a snapshot on")
        daemon.stop()
        assert "Traceback" not in daemon.log


def children(pid: int) -> list[str]:
    """The processes that a process has started and that still run."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
