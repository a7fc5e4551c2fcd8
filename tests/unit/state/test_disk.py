"""The disk as the store is given it: the operating system's."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state import disk as disk_module
from edgedescent.state.disk import Disk
from edgedescent.state.store import FILE, Store


class WatchedDisk(Disk):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        self.history: list[str] = []

    def make_folder(self, folder: Path) -> None:
        self.history.append("make")
        super().make_folder(folder)

    def sync_folders_above(self, path: Path) -> None:
        self.history.append("sync")
        super().sync_folders_above(path)

    def rewrite(self, path: Path) -> None:
        self.history.append(f"rewrite {path.name}")
        super().rewrite(path)

    def rename(self, path: Path, to: Path) -> None:
        self.history.append("rename")
        super().rename(path, to)

    def open_database(self, path: Path) -> Any:
        self.history.append("open")
        return super().open_database(path)


def test_a_rewritten_file_is_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, content = tmp_path / "log", os.urandom(2_500_000)
    path.write_bytes(content)
    path.chmod(0o600)
    inode, written, synced = path.stat().st_ino, [], []
    pwrite, fsync = os.pwrite, os.fsync
    monkeypatch.setattr(os, "pwrite", lambda *args: written.append(size := pwrite(*args)) or size)
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(sum(written)) or fsync(number))
    Disk().rewrite(path)
    assert synced == [len(content)]
    assert path.read_bytes() == content
    assert (path.stat().st_ino, stat.S_IMODE(path.stat().st_mode)) == (inode, 0o600)


def test_nothing_is_rewritten_where_there_is_no_file(tmp_path: Path) -> None:
    Disk().rewrite(tmp_path / "log")
    assert list(tmp_path.iterdir()) == []


def test_each_folder_above_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(disk_module, "sync_folder", synced.append)
    Disk().make_folder(tmp_path / "a" / "b")
    Disk().sync_folders_above(tmp_path / "a" / "b")
    assert synced == list((tmp_path / "a" / "b").resolve().parents)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EINVAL])
def test_a_folder_that_cannot_be_ours_is_left_alone(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(number, "no", str(folder))

    monkeypatch.setattr(disk_module, "sync_folder", refuse)
    Disk().sync_folders_above(Path("/a/b"))


def test_a_folder_that_fails_to_sync_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))

    monkeypatch.setattr(disk_module, "sync_folder", fail)
    with pytest.raises(StateError, match="cannot be used: Input/output error"):
        Store(tmp_path / "state")
    Store(tmp_path / "state", durability="process").close()


def test_the_store_settles_what_was_before_it_goes_on(tmp_path: Path) -> None:
    disk = WatchedDisk()
    Store(tmp_path / "state", disk=disk).close()
    # The first time it is opened to be made, under another name.
    assert disk.history == ["make", f"rewrite {FILE}-wal", "open", "rename", "open", "sync"]
    disk.history.clear()
    Store(tmp_path / "state", durability="process", disk=disk).close()
    assert disk.history == ["make", "open"]


def test_a_log_that_was_left_behind_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.append([Message(1, 1.0, "events", b"{}")], 0)
    # As after kill -9: the file is still open, its log not yet moved into the database.
    written: list[int] = []
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *args: written.append(size := pwrite(*args)) or size)
    other = Store(tmp_path)
    assert written
    assert [message.payload for message in other.read(0)] == [b"{}"]
    other.close()
    store.close()
