from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from edgedescent.daemon import status
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
        found = read_status(a_config(tmp_path))
    assert found["messages"] == 5
    assert 1.9 <= found["age_s"] < 30


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
    monkeypatch.setattr(status, "SHARED_MEMORY", tmp_path / "shm")
    config = a_config(tmp_path / "state")
    with runtime_folder(config) as folder:
        assert folder == tmp_path / "state"
    (tmp_path / "shm").mkdir()
    with runtime_folder(config) as folder, FolderLock(tmp_path / "state", note=str(folder)):
        assert folder.parent == tmp_path / "shm"
        assert folder.stat().st_mode & 0o077 == 0
        report(folder)
        assert read_status(config)["messages"] == 5
        # Other states have other folders; after kill -9 it is found again.
        with runtime_folder(a_config(tmp_path / "other")) as other:
            assert other != folder
        with runtime_folder(config) as again:
            assert again == folder
    assert list((tmp_path / "shm").iterdir()) == []
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    with runtime_folder(config) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize("kind", ["file", "link", "open"])
def test_a_folder_that_another_user_may_have_prepared_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(status, "SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    config = a_config(tmp_path / "state")
    with runtime_folder(config) as folder:
        pass
    if kind == "file":
        folder.touch()
    elif kind == "link":
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        folder.chmod(0o755)
    with runtime_folder(config) as used:
        assert used == tmp_path / "state"
    assert folder.exists()
