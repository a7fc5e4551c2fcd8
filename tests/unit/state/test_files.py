"""Atomic and durable writes of files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from edgedescent.state.files import replace_atomically, sync_folder, write_durably
from support.full_disk import full_disk


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_is_replaced_whole(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "status.json"
    for data in (b"", b"x" * 100_000, b"short"):
        replace_atomically(path, data, sync=sync)
        assert path.read_bytes() == data
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    contents = [bytes([number]) * 50_000 for number in range(2)]
    replace_atomically(path, contents[0], sync=False)
    done = threading.Event()

    def write() -> None:
        for number in range(300):
            replace_atomically(path, contents[number % 2], sync=False)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert path.read_bytes() in contents
    writer.join()


@pytest.mark.parametrize("sync", [True, False])
def test_a_full_disk_leaves_the_old_content_and_no_leftover(tmp_path: Path, sync: bool) -> None:
    path = tmp_path / "status.json"
    replace_atomically(path, b"old")
    with pytest.raises(OSError, match="File too large"), full_disk(100):
        replace_atomically(path, b"new" * 1000, sync=sync)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    for attempt in (
        lambda: replace_atomically(tmp_path / "none" / "x", b""),
        lambda: write_durably(tmp_path / "none" / "x", b""),
        lambda: sync_folder(tmp_path / "none"),
    ):
        with pytest.raises(FileNotFoundError):
            attempt()


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        write_durably(tmp_path / "public", b"", mode=0o644)
        write_durably(tmp_path / "private", b"")
        replace_atomically(tmp_path / "synced", b"")
        replace_atomically(tmp_path / "fleeting", b"", sync=False)
    finally:
        os.umask(mask)
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644
    for name in ("private", "synced", "fleeting"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_everything_reaches_the_disk_before_it_is_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("sync the folder" if synced == tmp_path else "sync the file")
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    replace_atomically(tmp_path / "card", b"x")
    assert steps == ["sync the file", "rename", "sync the folder"]
