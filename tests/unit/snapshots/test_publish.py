from __future__ import annotations

import json
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from edgedescent.errors import ExportError
from edgedescent.snapshots import publish
from edgedescent.snapshots.publish import LEFTOVER_S, list_snapshots, publish_snapshot

CARD: dict[str, Any] = {
    "position": 7,
    "created_at": "2026-01-01",
    "metrics": {},
    "sha256": "0123456789",
    "file": "model.txt",
}
NAME = "000000000007-01234567"


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
    old = {**CARD, "position": 6}
    publish_snapshot(folder, b"old", CARD if again else old, keep=5)
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
        publish_snapshot(folder, b"old" if again else b"new", CARD, keep=5)
    except (KeyboardInterrupt, ExportError):
        pass
    else:
        assert done <= failing
    monkeypatch.undo()
    visible = {name for name in shape(folder) if not name.startswith(".")}
    assert visible <= {NAME, "000000000006-01234567", "latest"}
    for name in visible:
        # Whatever can be seen is whole, and `latest` leads somewhere.
        assert (folder / name / "model.txt").read_bytes() in (b"old", b"new")
        json.loads((folder / name / "model_card.json").read_text())
    assert len(list_snapshots(folder)) == len(visible) - 1
    if fault is OSError:
        assert not [name for name in shape(folder) if "01234567." in name]
    # The next one is not kept from being published by what is left.
    publish_snapshot(folder, b"newest", {**CARD, "position": 8}, keep=5)
    assert (folder / "latest" / "model.txt").read_bytes() == b"newest"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"The snapshot cannot be written to .*file: File exists\.$"):
        publish_snapshot(tmp_path / "file", b"", CARD, keep=1)


def test_what_killed_exports_left_is_cleared_away_in_time(tmp_path: Path) -> None:
    hidden = [f".{NAME}.123", ".latest.456"]
    others = [".git.1", ".bashrc.bak", ".latest.x", "1234", ".000000000007.99"]
    for name in (hidden[0], *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.txt").write_text("")
    (tmp_path / hidden[1]).symlink_to(NAME)
    publish_snapshot(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {*hidden, *others, NAME, "latest"}, "these may still be at work"
    ago = time.time() - 2 * LEFTOVER_S
    for name in (*hidden, *others):
        os.utime(tmp_path / name, (ago, ago), follow_symlinks=False)
    publish_snapshot(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {*others, NAME, "latest"}


def test_the_same_model_again_gets_its_new_card(tmp_path: Path) -> None:
    publish_snapshot(tmp_path, b"model", CARD, keep=5)
    publish_snapshot(tmp_path, b"model", {**CARD, "note": "later"}, keep=5)
    assert shape(tmp_path) == {NAME, "latest"}
    assert shape(tmp_path / NAME) == {"model.txt", "model_card.json"}
    (card,) = list_snapshots(tmp_path)
    assert card["note"] == "later"


def test_another_model_of_the_same_position_takes_its_own_place(tmp_path: Path) -> None:
    publish_snapshot(tmp_path, b"one", CARD, keep=5)
    publish_snapshot(tmp_path, b"two", {**CARD, "sha256": "abcdef0123"}, keep=5)
    assert [Path(card["path"]).read_bytes() for card in list_snapshots(tmp_path)] == [b"one", b"two"]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"two"


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for position in range(1, 8):
        publish_snapshot(tmp_path, b"%d" % position, {**CARD, "position": position}, keep=3)
        kept = [card["position"] for card in list_snapshots(tmp_path)]
        assert kept == list(range(max(1, position - 2), position + 1))
        assert (tmp_path / "latest").resolve().name.startswith(f"{position:012d}")
    # In a new state folder the positions begin anew: older snapshots make room, whatever their positions.
    publish_snapshot(tmp_path, b"1", CARD | {"position": 1}, keep=3)
    publish_snapshot(tmp_path, b"2", CARD | {"position": 2}, keep=3)
    assert [card["position"] for card in list_snapshots(tmp_path)] == [7, 1, 2]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"2"


def test_only_what_was_published_makes_room(tmp_path: Path) -> None:
    others = ["2023", "000000000001", "000000000001-backup", "notes"]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_card.json").write_text("{}")
    for position in range(1, 5):
        publish_snapshot(tmp_path, b"", {**CARD, "position": position}, keep=1)
    assert shape(tmp_path) == {*others, "000000000004-01234567", "latest"}


def test_a_damaged_card_is_told_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for position in (1, 2, 3, 4, 5):
        publish_snapshot(tmp_path, b"", {**CARD, "position": position}, keep=5)
    (tmp_path / "000000000001-01234567" / "model_card.json").write_text("")
    (tmp_path / "000000000002-01234567" / "model_card.json").write_text("[]")
    (tmp_path / "000000000003-01234567" / "model_card.json").unlink()
    (tmp_path / "000000000004-01234567" / "model_card.json").write_text('{"file": "model.onnx"}')
    assert [card["position"] for card in list_snapshots(tmp_path)] == [5]
    assert caplog.text.count("cannot be read") == 4
    # They make room like any other.
    publish_snapshot(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {NAME, "latest"}


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
