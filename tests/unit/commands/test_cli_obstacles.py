"""What stands in the way of a command - closed folders, full disks - is told in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.command_line import CONFIGURED, REST, device_file
from support.state_folder import Run, a_config, payloads
from support.waiting import PATIENCE_S

# Root may read everything unless it goes without this right.
UNPRIVILEGED = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def ran(*words: object, output: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody with no more rights than others."""
    command = [*UNPRIVILEGED, sys.executable, "-m", "edgedescent", *map(str, words)]
    with ExitStack() as files:
        stdout = subprocess.PIPE if output is None else files.enter_context(output.open("w"))
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose state has forty messages, and a dead letter."""
    state = Run(a_config(tmp_path / "state"))
    state.take([*payloads(39), b"\xff"])
    state.checkpoint()
    state.store.close()
    return device_file(tmp_path, "[broker]\nport = 9\n")


@pytest.fixture
def closed(config: Path) -> Iterator[Path]:
    """The same, in a folder that is closed to whoever asks."""
    folder = config.parent / "state"
    folder.chmod(0)
    yield config
    folder.chmod(0o700)


@pytest.mark.parametrize("command", [*(name for name in CONFIGURED if name not in ("check", "watch")), "run --dry-run"])
def test_a_state_folder_that_is_closed_is_told_in_one_line(closed: Path, command: str) -> None:
    done = ran(*command.split(), closed, *REST.get(command, ()))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    assert f"{closed.parent}/state" in done.stderr
    assert "Permission denied. Hint: " in done.stderr


def test_the_check_finds_a_state_folder_that_is_closed(closed: Path) -> None:
    done = ran("check", closed)
    assert done.returncode == 1
    assert done.stderr == ""
    errors = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("error ")]
    assert errors == ["permissions:", "daemon:", "learner:", "broker:"]


def test_a_backup_into_a_closed_folder_is_told_in_one_line(config: Path) -> None:
    folder = config.parent / "closed"
    folder.mkdir(0)
    done = ran("backup", config, folder / "copy.db")
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: The state cannot be copied to {folder}/copy.db: Permission denied. "
        "Hint: Check the free space and the permissions of the folder.\n"
    )


@pytest.mark.parametrize("command", ["journal export", "journal info", "dead-letters list", "check --offline"])
def test_an_output_that_takes_no_more_is_told_in_one_line(config: Path, command: str) -> None:
    done = ran(*command.split(), config, output=Path("/dev/full"))
    assert done.returncode == 1
    assert done.stderr == "Error: The output cannot be written: No space left on device.\n"


def test_a_demo_in_a_closed_folder_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,2\n")
    (tmp_path / "closed").mkdir(0)
    folder = tmp_path / "closed" / "demo"
    done = ran("demo", "--data", tmp_path / "data.csv", "--target", "y", "--folder", folder)
    assert done.returncode == 1
    assert (
        done.stderr == f"Error: The folder {folder} cannot be used: Permission denied. Hint: Give another --folder.\n"
    )
