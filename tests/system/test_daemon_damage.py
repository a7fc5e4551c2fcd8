"""Real processes on damaged state folders: a sample of the campaign in `tests/damage`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from damage.campaign import lives_of
from damage.faults import inject
from support.brokers import running_broker
from support.state_folder import bits
from support.waiting import eventually

COMMANDS = (
    ("journal", "info"),
    ("journal", "export"),
    ("dead-letters", "list"),
    ("snapshots", "verify"),
    ("check", "--offline"),
    ("status",),
    ("export",),
)
LOSSES = ("are lost", "cannot be told", "does not say")


@pytest.mark.rounds(quick=2, long=60)
def test_a_damaged_folder_ends_no_process_with_a_stack_trace(
    make_daemon: Any, rounds: Iterable[int], chance: Random, tmp_path: Path
) -> None:
    lives = lives_of("LinearRegressor")[0]
    with running_broker() as broker:
        for number in rounds:
            daemon = make_daemon(
                broker.port,
                device="pump",
                broker=f'protocol = "{broker.protocols[0]}"\nreceive_max = 40',
                parameters="features_max = 8",
                tables="[limits]\ndedup_window = 2000\nredelivery_window = 50",
            )
            folder = daemon.state_path
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(lives.folder / chance.choice(("killed", "stopped")), folder, symlinks=True)
            faults = inject(str(chance.random()), folder, lives.folder / "older")
            print(number, faults)
            for command in COMMANDS[number % 3 :: 3]:
                call(*command, str(daemon.config_path))
            before = len(daemon.log) if daemon.log_path.exists() else 0
            with daemon:
                eventually(lambda d=daemon, b=before: not d.running or "Learning" in d.log[b:], "a start or an end")
                if daemon.running:
                    daemon.stop()
                    log = daemon.log[before:]
                    assert any(loss in log for loss in LOSSES) or bits(daemon.recovered()) == lives.bits, log
                else:
                    assert daemon.wait() == 1
                    last = daemon.log.splitlines()[-1]
                    assert last.startswith("Error: ")
                    assert "Hint: " in last
                assert "Traceback" not in daemon.log
            call("backup", str(daemon.config_path), str(tmp_path / f"copy-{number}.db"))


def call(*arguments: str) -> None:
    """Call a command, which may fail, but in one line."""
    done = subprocess.run(
        [sys.executable, "-m", "edgedescent", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode in (0, 1), f"{arguments}: {done}"
    assert "Traceback" not in done.stderr, f"{arguments}: {done}"
    if done.returncode and done.stderr:
        assert done.stderr.splitlines()[-1].startswith("Error: "), f"{arguments}: {done}"
