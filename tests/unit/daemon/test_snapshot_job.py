from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgedescent.daemon import snapshot_job
from edgedescent.daemon.snapshot_job import SnapshotJob
from support.waiting import PATIENCE_S, eventually

CARD = {"position": 7, "path": "/x/model.onnx", "parity": {"max_rel_diff": 1e-9}}


def a_job(script: str, timeout_s: float = PATIENCE_S) -> SnapshotJob:
    """A job whose child runs a shell script instead of an export."""
    job = SnapshotJob("device.toml", timeout_s=timeout_s)
    job._command = ["/bin/sh", "-c", script]
    return job


def ended(job: SnapshotJob) -> dict[str, Any] | None:
    cards: list[dict[str, Any] | None] = []

    def is_over() -> bool:
        cards.append(job.poll())
        return cards[-1] is not None or not job.running

    eventually(is_over, "the end of the export")
    return cards[-1]


def test_the_card_of_what_was_published_is_returned_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    job = a_job(f"echo something else; echo '{json.dumps(CARD)}'; echo a warning >&2")
    assert not job.running
    assert job.poll() is None
    for _ in range(2):
        job.start()
        assert job.running
        assert ended(job) == CARD
        assert job.poll() is None
    assert "Snapshot at message 7 published: /x/model.onnx" in caplog.text


def test_much_output_does_not_stop_it() -> None:
    job = a_job(f"yes | head -c 1000000; yes | head -c 1000000 >&2; echo; echo '{json.dumps(CARD)}'")
    job.start()
    assert ended(job) == CARD


def test_a_failure_is_logged_and_another_may_follow(caplog: pytest.LogCaptureFixture) -> None:
    for script, message in (("echo 'Error: no.' >&2; exit 1", "no."), ("kill -9 $$", "exit code -9")):
        job = a_job(script)
        job.start()
        assert ended(job) is None
        assert f"The export failed: {message}" in caplog.text
        job.start()
        assert job.running
        job.stop()


@pytest.mark.parametrize("said", ["", "echo a word of farewell", "echo '[1]'", """echo '{"position": 7}'"""])
def test_what_ends_without_a_card_ends_nothing_else(caplog: pytest.LogCaptureFixture, said: str) -> None:
    job = a_job(said or "true")
    job.start()
    assert ended(job) is None
    assert "The export succeeded, but its output is not a model card: " in caplog.text


def test_what_takes_too_long_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    job = a_job("exec sleep 60", timeout_s=0.1)
    job.start()
    assert job._child is not None
    pid = job._child.pid
    assert ended(job) is None
    assert "The export took more than 0.1 s and was killed." in caplog.text
    assert not Path(f"/proc/{pid}").exists()


def test_what_ignores_a_request_to_end_is_ended(tmp_path: Path) -> None:
    job = a_job(f"trap '' TERM; touch {tmp_path}/ready; while true; do sleep 0.1; done")
    job.start()
    eventually((tmp_path / "ready").exists, "the child's start")
    job.stop()
    assert not job.running
    job.stop()


def test_it_is_kind_to_the_learning() -> None:
    job = a_job("exec sleep 60")
    job.start()
    assert job._child is not None
    assert os.getpriority(os.PRIO_PROCESS, job._child.pid) >= 10
    job.stop()


@pytest.mark.parametrize("broken", ["command", "disk"])
def test_what_cannot_start_is_logged(
    broken: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = a_job("true")
    if broken == "command":
        job._command = ["/nowhere/python"]
    else:

        def full() -> Any:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(snapshot_job, "tempfile", SimpleNamespace(TemporaryFile=full))
    job.start()
    assert "The export cannot be started: " in caplog.text
    assert not job.running
    assert job.poll() is None


def test_it_runs_the_export_of_its_configuration(tmp_path: Path) -> None:
    job = SnapshotJob(str(tmp_path / "none.toml"), timeout_s=PATIENCE_S)
    done = subprocess.run(job._command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {tmp_path}/none.toml: No such file or directory.")


def test_where_memory_is_short_the_export_goes_before_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    job = a_job("sleep 60")
    job.start()
    child = job._child
    assert child is not None
    assert Path(f"/proc/{child.pid}/oom_score_adj").read_text().strip() == "1000"
    assert not caplog.records
    job.stop()
