"""What an operator relies on, with a real daemon: systemd's protocol, metrics, dry runs, letters and recordings."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import edgedescent
from edgedescent.engine.core import Engine
from edgedescent.state import codec
from edgedescent.state.lock import note_of
from edgedescent.state.store import Store
from edgedescent_sims.broker.process import BrokerProcess
from support.command_line import run, run_json
from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.event_streams import event, events
from support.notify_socket import NotifySocket
from support.waiting import PATIENCE_S, eventually


def learned(engine: Engine) -> bytes:
    """Every bit of what was learned."""
    return codec.encode(engine.learner.state_dict())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def systemd(tmp_path: Path) -> Any:
    made = NotifySocket(str(tmp_path / "notify"))
    yield made
    made.close()


def test_systemd_is_told_of_a_whole_life(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, systemd: NotifySocket
) -> None:
    with make_daemon(broker.port, broker=settings, environment=systemd.environment(0.8)) as daemon:
        eventually(lambda: "READY=1" in systemd.messages, "READY=1")
        assert "INFO Connected" in daemon.log
        eventually(lambda: systemd.messages.count("WATCHDOG=1") >= 3, "food for the watchdog")
        peer.send(events(0, 5))
        eventually(lambda: any("online: 5 messages, 5 events" in line for line in systemd.messages), "a status")
        # A loop that stands still is noticed: nothing else feeds the watchdog.
        daemon.send_signal(signal.SIGSTOP)
        eventually(lambda: daemon.is_stopped, "standing still")
        fed = systemd.messages.count("WATCHDOG=1")
        time.sleep(1.0)
        assert systemd.messages.count("WATCHDOG=1") == fed
        daemon.send_signal(signal.SIGCONT)
        eventually(lambda: systemd.messages.count("WATCHDOG=1") > fed, "food again")
        daemon.stop()
        assert "STOPPING=1" in systemd.messages
        assert systemd.messages.index("STOPPING=1") > systemd.messages.index("READY=1")


def test_a_recovery_is_told_before_it_is_ready(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, systemd: NotifySocket
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(events(0, 200))
        daemon.counted(200)
        # Everything is committed, but no checkpoint was made.
        eventually(lambda: len(daemon.journal()) == 200, "the journal")
    again = make_daemon(broker.port, broker=settings, environment=systemd.environment(5.0))
    with again:
        eventually(lambda: "READY=1" in systemd.messages, "READY=1")
        assert "EXTEND_TIMEOUT_USEC=60000000" in systemd.messages[: systemd.messages.index("READY=1")]
        again.stop()


def test_the_metrics_are_served_while_it_learns(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    port = free_port()
    # The table comes last in the test's own configuration, so that this key joins it.
    with make_daemon(
        broker.port, broker=settings, environment={"EDGEDESCENT_METRICS__LISTEN": f"127.0.0.1:{port}"}
    ) as daemon:
        daemon.connected()
        peer.send([*events(0, 20), b"nonsense", b'{"x": 3}', b"more nonsense"])
        daemon.counted(3, "dead_letters")

        def scraped() -> dict[tuple[str, str], float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                text = answer.read().decode()
            return {
                (sample.name, sample.labels.get("reason", sample.labels.get("state", ""))): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }

        found = scraped()
        assert found["edgedescent_events_learned_total", ""] == 20
        assert found["edgedescent_dead_letters_total", "malformed"] == 2
        assert found["edgedescent_dead_letters_total", "wrong_type"] == 1
        assert found["edgedescent_connected", ""] == 1
        assert found["edgedescent_state", "online"] == 1
        assert abs(found["edgedescent_report_timestamp_seconds", ""] - time.time()) < 60
        # Clients that only hold connections open cost the daemon nothing but their sockets.
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
        peer.send(events(20, 40))
        daemon.counted(40)
        assert scraped()["edgedescent_events_learned_total", ""] == 40
        for sock in crowd:
            sock.close()
        daemon.stop()


def test_a_port_in_use_is_told_in_one_line(broker: BrokerProcess, make_daemon: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with make_daemon(broker.port, environment={"EDGEDESCENT_METRICS__LISTEN": listen}) as daemon:
            assert daemon.wait() == 1
            assert daemon.log.startswith("Error: `metrics.listen` is ")
            assert daemon.log.count("\n") == 1


def test_the_status_says_since_when_and_which_version(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    before = time.time()
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.state("online")
        daemon.stop()
        peer.state("stopped")
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected(2)
        daemon.kill()
    peer.state("offline")
    statuses = [json.loads(payload) for payload in peer.of("status")]
    assert {status["version"] for status in statuses} == {edgedescent.__version__}
    for status in statuses:
        # The broker sends the last will, at a moment that nobody knew when it was made.
        assert status["since"] is None if status["state"] == "offline" else before <= status["since"] <= time.time()


def test_a_status_is_found_wherever_the_daemon_writes_it(
    broker: BrokerProcess, settings: str, make_daemon: Any, tmp_path: Path
) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir()
    with make_daemon(broker.port, broker=settings, environment={"RUNTIME_DIRECTORY": str(runtime)}) as daemon:
        daemon.connected()
        eventually((runtime / "status.json").exists, "the status")
        assert not (daemon.state_path / "status.json").exists()
        # Whoever asks has no such variable.
        eventually(lambda: run("status", daemon.config_path).exit_code == 0, "an answer")
        (status,) = run_json("status", daemon.config_path)
        assert (status["state"], status["pid"]) == ("online", daemon.pid)
        daemon.stop()


# --- Dry runs ---------------------------------------------------------------------------------------------------------


def dry(daemon: DaemonProcess, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edgedescent", "run", str(daemon.config_path), "--dry-run", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def heard(process: subprocess.Popen[str]) -> str:
    """Wait until it listens; returns what it said before."""
    assert process.stderr is not None
    said = ""
    while "Listening to" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return said


def everything_in(folder: Path) -> dict[str, bytes]:
    """Every file but what SQLite itself needs for reading: an index in shared memory, and a log that stays empty."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found.pop("edgedescent.db-shm", None)
    assert found.pop("edgedescent.db-wal", b"") == b""
    return found


def test_a_dry_run_leaves_no_trace(broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(events(0, 50))
        daemon.counted(50)
        daemon.stop()
    before = everything_in(daemon.state_path)
    received = len(peer.received)
    rehearsal = dry(daemon, "--events", "12", "--json", "--show", "predictions")
    assert "50 of the journal" not in heard(rehearsal)
    peer.send([*events(50, 60), b"nonsense", json.dumps(event(3)).encode()])
    output, errors = rehearsal.communicate(timeout=PATIENCE_S)
    assert rehearsal.returncode == 0, errors
    *predictions, last = output.splitlines()
    summary = json.loads(last)
    assert {name: summary[name] for name in ("messages", "events_learned", "duplicates", "dead_letters")} == {
        "messages": 12,
        "events_learned": 10,
        "duplicates": 1,
        "dead_letters": 1,
    }
    assert summary["rejected"] == {"malformed": 1}
    # That of this run alone, as one of a daemon that begins to count.
    said = [json.loads(line) for line in predictions]
    offs = [abs(answer["y"] - answer["prediction"]) for answer in said[1:]]
    assert summary["mae"] == pytest.approx(sum(offs) / len(offs), rel=1e-12)
    assert summary["started_from"] == "a copy of the state at message 50"
    assert everything_in(daemon.state_path) == before
    # Nothing was published, and nothing taken: the daemon gets it all, and gives the same answers.
    assert [name for name, _, _ in peer.received[received:]] == []
    with daemon:
        daemon.connected(2)
        assert daemon.counted(60)["duplicates"] == 1
        peer.answered(f"e{i}" for i in range(50, 60))
        answers = [json.loads(payload) for payload in peer.of("predictions")[50:60]]
        assert answers == [json.loads(line) for line in predictions]
        daemon.stop()


def test_a_dry_run_beside_the_daemon_ends_when_told_to(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        rehearsal = dry(daemon, "--show", "predictions")
        heard(rehearsal)
        peer.send(events(0, 10))
        assert daemon.counted(10)["events_learned"] == 10
        assert rehearsal.stdout is not None
        answers = [rehearsal.stdout.readline() for _ in range(10)]
        assert all('"prediction"' in answer for answer in answers)
        rehearsal.send_signal(signal.SIGTERM)
        output, _ = rehearsal.communicate(timeout=PATIENCE_S)
        assert rehearsal.returncode == 0
        assert output.startswith("10 messages in ")
        assert "10 events learned, 0 only predicted, 0 repeats, 0 rejected." in output
        assert daemon.log.count("Connected") == 1
        daemon.stop()


def test_a_dry_run_without_a_broker_fails(make_daemon: Any) -> None:
    daemon = make_daemon(free_port())
    result = run("run", daemon.config_path, "--dry-run", "--seconds", "1")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: The broker at 127.0.0.1:")
    assert not daemon.state_path.exists()


# --- Dead letters and recordings --------------------------------------------------------------------------------------


def test_dead_letters_are_sent_again_and_learned(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    tables = "[limits]\nevents_per_message_max = 2"
    batch = json.dumps([event(i) for i in range(3)]).encode()
    with make_daemon(broker.port, broker=settings, tables=tables) as daemon:
        daemon.connected()
        peer.send([b"nonsense", batch])
        daemon.counted(2, "dead_letters")
        eventually(lambda: len(run_json("dead-letters", "list", daemon.config_path)) == 2, "two dead letters")
        daemon.stop()
        # The operator finds that the limit was too low.
        daemon.config_path.write_text(daemon.config_path.read_text().replace(tables, ""))
        with daemon:
            daemon.connected(2)
            result = run("dead-letters", "replay", daemon.config_path, "--reason", "too_many_events")
            assert result.exit_code == 2, "it asks first"
            (report,) = run_json("dead-letters", "replay", daemon.config_path, "--reason", "too_many_events", "--yes")
            assert report == {"sent": 1, "refused": 0, "incomplete": 0}
            assert daemon.counted(3)["events_learned"] == 3
            (left,) = run_json("dead-letters", "list", daemon.config_path)
            assert left["payload"] == "nonsense"
            daemon.stop()
    # Not even a crash brings it back.
    with daemon:
        daemon.connected(3)
        assert len(run_json("dead-letters", "list", daemon.config_path)) == 1


def test_what_was_quarantined_is_let_in_by_a_key_and_a_replay(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    with make_daemon(broker.port, broker=settings, tables="[limits]\nquarantine = true") as daemon:
        daemon.connected()
        absurd = [json.dumps({**event(100 + i), "y": 1e9}).encode() for i in range(3)]
        peer.send([*events(0, 40), *absurd])
        daemon.counted(43, "messages")
        assert daemon.counted(3, "dead_letters.quarantined")["events_learned"] == 40
        eventually(lambda: len(run_json("dead-letters", "list", daemon.config_path)) == 3, "three dead letters")
        assert "events so far are quarantined" in daemon.log
        daemon.stop()
        # The operator finds that they are meant.
        text = daemon.config_path.read_text()
        daemon.config_path.write_text(text.replace("quarantine = true", "quarantine = false"))
        with daemon:
            daemon.connected(2)
            (report,) = run_json("dead-letters", "replay", daemon.config_path, "--reason", "quarantined", "--yes")
            assert report == {"sent": 3, "refused": 0, "incomplete": 0}
            assert daemon.counted(43)["dead_letters.quarantined"] == 3
            assert run_json("dead-letters", "list", daemon.config_path) == []
            daemon.stop()


def test_a_recording_replayed_teaches_another_device_the_same(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    payloads = [*events(0, 40), b"\xff\xfe\x00", b"", json.dumps([event(i) for i in range(40, 45)]).encode()]
    with make_daemon(broker.port, broker=settings) as first:
        first.connected()
        peer.send(payloads)
        first.counted(45)
        recording = tmp_path / "recording.jsonl"
        eventually(lambda: len(first.journal()) == len(payloads), "the journal")
        # Beside the running daemon.
        assert run_json("journal", "export", first.config_path, "--output", recording)[0]["messages"] == len(payloads)
        first.stop()
    with make_daemon(broker.port, device="other", broker=settings) as second:
        second.connected()
        result = run("replay", recording, "--to", broker.url, "--device", "other", "--protocol", broker.protocols[0])
        assert result.exit_code == 0, result.output
        second.counted(45)
        second.stop()
    assert [message.payload for message in second.journal()] == payloads
    assert learned(first.recovered()) == learned(second.recovered())
    # Without a device, each message goes to its own topic.
    run("replay", recording, "--to", broker.url, "--limit", "1", "--protocol", broker.protocols[0])
    with first:
        assert first.counted(1, "duplicates")["duplicates"] == 1


def test_a_backup_taken_under_load_restores_a_moment_of_the_past(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    payloads = events(0, 600)
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.connected()
        peer.send(payloads[:200])
        daemon.counted(200)
        eventually(lambda: len(daemon.journal()) == 200, "the journal")
        peer.send(payloads[200:], wait=False)
        run_json("backup", daemon.config_path, tmp_path / "copy.db")
        daemon.counted(600)
        daemon.stop()
    folder = tmp_path / "restored"
    folder.mkdir()
    (tmp_path / "copy.db").rename(folder / "edgedescent.db")
    daemon.state_path = folder
    restored = daemon.recovered()
    assert 200 <= restored.position <= 600
    assert learned(restored) == learned(daemon.undisturbed(payloads[: restored.position]))


def test_all_that_is_kept_is_for_its_owner_only(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any
) -> None:
    pytest.importorskip("onnxruntime")
    mask = os.umask(0)
    try:
        with make_daemon(broker.port, broker=settings) as daemon:
            daemon.connected()
            peer.send(events(0, 20))
            daemon.counted(20)
            eventually(lambda: len(daemon.journal()) == 20, "the journal")
            daemon.send_signal(signal.SIGUSR1)
            daemon.logged("Snapshot at message")
            folders = daemon.state_path, Path(note_of(daemon.state_path))
            found = {path: path.lstat() for folder in folders for path in (folder, *folder.rglob("*"))}
            names = {path.name for path in found}
            assert {"edgedescent.db", "edgedescent.db-wal", "edgedescent.db-shm", "status.json", "lock"} <= names
            assert {"snapshots", "model.onnx", "model_card.json"} <= names
            exposed = [str(path) for path, of in found.items() if of.st_mode & 0o077 and not path.is_symlink()]
            assert exposed == []
            daemon.stop()
    finally:
        os.umask(mask)
    store = Store(daemon.state_path, read_only=True)
    assert store.last_position == 20
    store.close()
