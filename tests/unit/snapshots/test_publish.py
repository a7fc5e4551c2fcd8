from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from edgedescent.errors import ExportError
from edgedescent.snapshots import publish
from edgedescent.snapshots.publish import LEFTOVER_S, list_snapshots, publish_snapshot, verify_snapshots


def a_card(position: int = 7, model: bytes = b"model", **more: Any) -> dict[str, Any]:
    return {
        "position": position,
        "created_at": "2026-01-01",
        "metrics": {},
        "sha256": hashlib.sha256(model).hexdigest(),
        "file": "model.txt",
        **more,
    }


def put(folder: Path, position: int = 7, model: bytes = b"model", keep: int = 5, **more: Any) -> Path:
    return publish_snapshot(folder, model, a_card(position, model, **more), keep=keep)


def positions(folder: Path) -> list[int]:
    return [card["position"] for card in list_snapshots(folder)]


CARD = a_card()
NAME = "00000001-000000000007-9372c470"


def shape(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_snapshot_is_published_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "snapshots"
    final = publish_snapshot(folder, b"model", CARD, keep=5)
    assert final == folder / NAME
    assert shape(folder) == {NAME, "latest"}
    assert (folder / "latest").readlink() == Path(NAME)
    assert (folder / "latest" / "model.txt").read_bytes() == b"model"
    assert json.loads((folder / "latest" / "model_card.json").read_text()) == CARD
    assert list_snapshots(folder) == [{**CARD, "path": str(final / "model.txt")}]


def test_no_snapshots_are_listed_where_there_are_none(tmp_path: Path) -> None:
    assert list_snapshots(tmp_path / "none") == []
    assert list_snapshots(tmp_path) == []


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("failing", range(9))
def test_whenever_it_is_cut_off_no_half_snapshot_is_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, fault: type[BaseException], again: bool
) -> None:
    folder = tmp_path / "snapshots"
    put(folder, 7 if again else 6, b"old")
    done = 0

    def cut(original: Any) -> Any:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done > failing:
                raise fault(28, "No space left on device")
            return original(*args, **options)

        return step

    for name in ("write_durably", "sync_folder", "replace_atomically"):
        monkeypatch.setattr(publish, name, cut(getattr(publish, name)))
    for name in ("mkdir", "rename", "symlink_to", "replace", "unlink"):
        monkeypatch.setattr(Path, name, cut(getattr(Path, name)))
    try:
        put(folder, 7, b"old" if again else b"new")
    except (KeyboardInterrupt, ExportError):
        pass
    else:
        assert done <= failing
    monkeypatch.undo()
    visible = {name for name in shape(folder) if not name.startswith(".")}
    assert {re.sub("-[0-9a-f]{8}$", "", name) for name in visible} <= {
        f"0000000{number}-00000000000{position}" for number, position in ((1, 6), (1, 7), (2, 7))
    } | {"latest"}
    for name in visible:
        # Whatever can be seen is whole, and `latest` leads somewhere.
        assert (folder / name / "model.txt").read_bytes() in (b"old", b"new")
        json.loads((folder / name / "model_card.json").read_text())
    assert len(list_snapshots(folder)) == len(visible) - 1
    if fault is OSError:
        assert not [name for name in shape(folder) if name.startswith(".0")]
    # The next one is not kept from being published by what is left.
    put(folder, 8, b"newest")
    assert (folder / "latest" / "model.txt").read_bytes() == b"newest"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"The snapshot cannot be written to .*file: File exists\.$"):
        put(tmp_path / "file")


def test_what_killed_exports_left_is_cleared_away_in_time(tmp_path: Path) -> None:
    hidden = [f".{NAME}.123", ".latest.456"]
    others = [".git.1", ".bashrc.bak", ".latest.x", "1234", ".000000000007.99"]
    for name in (hidden[0], *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.txt").write_text("")
    (tmp_path / hidden[1]).symlink_to(NAME)
    put(tmp_path)
    assert shape(tmp_path) == {*hidden, *others, NAME, "latest"}, "these may still be at work"
    ago = time.time() - 2 * LEFTOVER_S
    for name in (*hidden, *others):
        os.utime(tmp_path / name, (ago, ago), follow_symlinks=False)
    put(tmp_path)
    assert shape(tmp_path) == {*others, NAME, "latest"}


def test_the_same_model_again_gets_its_new_card(tmp_path: Path) -> None:
    put(tmp_path)
    put(tmp_path, note="later")
    assert shape(tmp_path) == {NAME, "latest"}
    assert shape(tmp_path / NAME) == {"model.txt", "model_card.json"}
    (card,) = list_snapshots(tmp_path)
    assert card["note"] == "later"


def test_an_older_model_again_is_the_newest_once_more(tmp_path: Path) -> None:
    # As after a backup was restored.
    for position in (1, 2, 1):
        put(tmp_path, position)
    assert positions(tmp_path) == [1, 2, 1]
    put(tmp_path, 3, keep=2)
    assert positions(tmp_path) == [1, 3]


def test_another_model_of_the_same_position_takes_its_own_place(tmp_path: Path) -> None:
    put(tmp_path, model=b"one")
    put(tmp_path, model=b"two")
    assert [Path(card["path"]).read_bytes() for card in list_snapshots(tmp_path)] == [b"one", b"two"]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"two"


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for position in range(1, 8):
        put(tmp_path, position, keep=3)
        assert positions(tmp_path) == list(range(max(1, position - 2), position + 1))
        assert f"-{position:012d}-" in (tmp_path / "latest").resolve().name
    # In a new state folder the positions begin anew: older snapshots make room, whatever their positions.
    put(tmp_path, 1, b"1", keep=3)
    put(tmp_path, 2, b"2", keep=3)
    assert positions(tmp_path) == [7, 1, 2]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"2"


def test_the_newest_are_kept_when_the_clock_is_set_back(tmp_path: Path) -> None:
    for position in range(1, 5):
        final = put(tmp_path, position, keep=3)
        os.utime(final, (1e9 - position, 1e9 - position))
    assert positions(tmp_path) == [2, 3, 4]


def test_those_without_a_number_are_the_oldest(tmp_path: Path) -> None:
    earlier = tmp_path / "000000000099-01234567"
    earlier.mkdir()
    (earlier / "model_card.json").write_text("{}")
    put(tmp_path, 1, keep=2)
    assert earlier.exists()
    put(tmp_path, 2, keep=2)
    assert not earlier.exists()
    assert positions(tmp_path) == [1, 2]


def test_only_what_was_published_makes_room(tmp_path: Path) -> None:
    others = ["2023", "000000000001", "000000000001-backup", "notes"]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_card.json").write_text("{}")
    for position in range(1, 5):
        newest = put(tmp_path, position, keep=1)
    assert shape(tmp_path) == {*others, newest.name, "latest"}


def test_two_at_once_take_two_numbers(tmp_path: Path) -> None:
    threads = [threading.Thread(target=put, args=(tmp_path, i // 2, b"%d" % i, 9)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(shape(tmp_path) - {"latest"})
    assert [name[:8] for name in names] == [f"{number:08d}" for number in range(1, 9)]
    assert (tmp_path / "latest").readlink().name == names[-1]


def test_what_is_damaged_is_told_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = [put(tmp_path, position, keep=9) for position in range(1, 9)]
    (folders[0] / "model_card.json").write_text("")
    (folders[1] / "model_card.json").write_text("[]")
    (folders[2] / "model_card.json").unlink()
    (folders[3] / "model_card.json").write_text('{"file": "model.onnx"}')
    (folders[4] / "model_card.json").write_text(json.dumps(a_card(4)))
    (folders[5] / "model.txt").write_text("modem")
    (folders[6] / "model.txt").unlink()
    assert positions(tmp_path) == [8]
    assert caplog.text.count("is damaged: its ") == 7
    faults = [fault or "" for fault in verify_snapshots(tmp_path).values()]
    assert [next((word for word in ("card", "model", "") if word in fault), None) for fault in faults] == (
        ["card"] * 5 + ["card", "model", "", ""]
    )
    (tmp_path / "latest").unlink()
    (tmp_path / "latest").symlink_to(folders[0].name)
    assert verify_snapshots(tmp_path)["latest"] == f"it does not lead to {folders[7].name}."
    # They make room like any other.
    newest = put(tmp_path, 9, keep=1)
    assert shape(tmp_path) == {newest.name, "latest"}
    assert verify_snapshots(tmp_path) == {newest.name: None, "latest": None}


def test_a_reader_that_resolves_the_link_once_never_mixes_two(tmp_path: Path) -> None:
    folder, stop = tmp_path / "snapshots", threading.Event()
    put(folder, 1)

    def write() -> None:
        for position in range(2, 60):
            put(folder, position, b"%d" % position, keep=5)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not stop.is_set():
            snapshot = (folder / "latest").resolve()
            try:
                model = (snapshot / "model.txt").read_bytes()
                card = json.loads((snapshot / "model_card.json").read_bytes())
            except FileNotFoundError:
                # A reader that slept while five more were published finds it gone, and resolves again.
                assert not (snapshot / "model.txt").exists()
                continue
            assert card["sha256"] == hashlib.sha256(model).hexdigest()
    finally:
        writer.join()


def test_files_and_folders_are_synced_before_they_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_sync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".")[-1])
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    publish_snapshot(tmp_path, b"model", CARD, keep=1)
    assert steps == ["txt", "json", str(os.getpid()), "rename", tmp_path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be someone else")
def test_what_root_exports_belongs_to_whom_the_state_belongs_to() -> None:
    with TemporaryDirectory() as name:
        state = Path(name)
        state.chmod(0o755)
        os.chown(state, 65_534, 65_533)
        final = publish_snapshot(state / "snapshots", b"model", CARD, keep=1)
        # Or the daemon could not publish its next one there.
        for path in (final.parent, final, *final.iterdir(), final.parent / "latest"):
            assert (path.lstat().st_uid, path.lstat().st_gid) == (65_534, 65_533)
        assert (os.geteuid(), os.getegid()) == (0, 0)
        elsewhere = publish_snapshot(state / "elsewhere", b"model", CARD, keep=1, private=False)
        assert elsewhere.stat().st_uid == 0
