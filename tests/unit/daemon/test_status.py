from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from edgedescent.daemon.status import FILE, read_status, runtime_folder
from edgedescent.errors import StateError
from edgedescent.state.lock import FolderLock
from support.state_folder import a_config


@pytest.fixture(autouse=True)
def no_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)


def report(folder: Path, **more: object) -> None:
    (folder / FILE).write_text(json.dumps({"pid": os.getpid(), "time": time.time(), "messages": 5, **more}))


def test_a_running_daemon_is_reported(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        report(tmp_path, time=time.time() - 2)
        status = read_status(a_config(tmp_path))
    assert status["messages"] == 5
    assert 1.9 <= status["age_s"] < 30


def test_no_running_daemon_is_an_error(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(StateError, match="No daemon is using the state folder") as caught:
            read_status(a_config(folder))
        assert caught.value.hint == "Start one with: edgedescent run CONFIG"
    # What an earlier one left does not count.
    report(tmp_path)
    with pytest.raises(StateError, match="No daemon is using"):
        read_status(a_config(tmp_path))


@pytest.mark.parametrize("left", [None, "", "{", "{}", '{"pid": 1, "time": 0}', "\0\0\0"])
def test_what_an_earlier_daemon_or_a_power_cut_left_does_not_count(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / FILE).write_text(left)
    with FolderLock(tmp_path), pytest.raises(StateError, match=rf"\(process {os.getpid()}\) is starting\.$"):
        read_status(a_config(tmp_path))


def test_a_daemon_that_is_stuck_is_an_error(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        report(tmp_path, time=time.time() - 60)
        with pytest.raises(StateError, match=r"has not reported for [67]\d s") as caught:
            read_status(a_config(tmp_path))
    assert caught.value.hint == "See its log."


def test_a_status_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with FolderLock(tmp_path), pytest.raises(StateError, match=r"cannot be read: Is a directory\.$"):
        read_status(a_config(tmp_path))


def test_the_status_lies_in_memory_where_there_is_a_folder_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = a_config(tmp_path / "state")
    assert runtime_folder(config) == tmp_path / "state"
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert runtime_folder(config) == tmp_path
    with FolderLock(tmp_path / "state"):
        report(tmp_path)
        assert read_status(config)["messages"] == 5
