from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stores import Run, a_config, batches, payloads

from edgedescent import __version__, snapshots
from edgedescent.config import Config, Snapshots
from edgedescent.errors import ConfigError, ExportError, StateError
from edgedescent.learners import Learner
from edgedescent.snapshots import Parity, compare, export, publish
from edgedescent.state.store import Store

CARD: dict[str, Any] = {
    "position": 7,
    "created_at": "2026-01-01",
    "metrics": {},
    "sha256": "0123456789",
    "file": "model.txt",
}
NAME = "000000000007-01234567"


class Echo:
    """An exporter whose files hold what the learner is, and predict it with an error of choice."""

    suffix = ".txt"
    error = 0.0
    dropped = 0

    def __init__(self) -> None:
        self._learner: Any = None

    def export(self, learner: Learner, metadata: Mapping[str, str]) -> bytes:
        self._learner = learner
        return json.dumps([repr(learner), metadata]).encode()

    def predict(self, _model: bytes, events: Sequence[Mapping[str, object]]) -> list[float]:
        _, predictions = snapshots.predict_all(self._learner, events)
        return [value + self.error for value in predictions[self.dropped :]]

    def describe(self, _learner: Learner) -> dict[str, object]:
        return {"format": "echo"}


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> type[Echo]:
    class Mine(Echo):
        pass

    monkeypatch.setattr(snapshots, "load_adapter", lambda *_: Mine)
    return Mine


def learned(folder: Path, count: int = 40, **learner: Any) -> Run:
    """A running daemon's state, held open, with a checkpoint in the middle."""
    run = Run(a_config(folder, **learner))
    takes = run.engine.learner.input_kind
    for batch in batches(payloads(count, takes=takes), 10):
        run.take(batch)
        if run.engine.position == 20:
            run.checkpoint()
    return run


def shape(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def with_snapshots(config: Config, **settings: Any) -> Config:
    return msgspec.structs.replace(config, snapshots=Snapshots(**settings))


# --- Parity -----------------------------------------------------------------------------------------------------------


def test_the_largest_differences_are_measured() -> None:
    parity = compare([1.0, 2.0, -4.0], [1.0, 2.5, -5.0], 0.25)
    assert parity == Parity(3, 1.0, 0.25, 0.25)
    assert parity.holds
    assert not compare([1.0, 2.0, -4.0], [1.0, 2.5, -5.01], 0.25).holds
    assert compare([0.0], [0.0], 1e-5).holds
    assert not compare([0.0], [1e-9], 1e-5).holds


@pytest.mark.parametrize("tolerance", [1e-5, 0.5, math.inf])
@pytest.mark.parametrize(
    ("live", "exported"),
    [
        (math.nan, 1.0),
        (1.0, math.nan),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (1.0, math.inf),
        (-math.inf, math.inf),
        (1e308, -1e308),
    ],
)
def test_what_is_not_finite_never_agrees(live: float, exported: float, tolerance: float) -> None:
    for at in range(3):
        a, b = [1.0] * 3, [1.0] * 3
        a[at], b[at] = live, exported
        assert not compare(a, b, tolerance).holds


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.floats(1e-9, 0.9))
def test_what_is_the_same_agrees(values: list[float], tolerance: float) -> None:
    assert compare(values, values, tolerance) == Parity(len(values), 0.0, 0.0, tolerance)


def test_two_lengths_do_not_compare() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare([1.0, 2.0], [1.0], 1e-5)


# --- Publishing -------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_published_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "snapshots"
    final = publish(folder, b"model", CARD, keep=5)
    assert final == folder / NAME
    assert shape(folder) == {NAME, "latest"}
    assert (folder / "latest").readlink() == Path(NAME)
    assert (folder / "latest" / "model.txt").read_bytes() == b"model"
    assert json.loads((folder / "latest" / "card.json").read_text()) == CARD
    assert snapshots.snapshots(folder) == [{**CARD, "path": str(final / "model.txt")}]


def test_no_snapshots_are_listed_where_there_are_none(tmp_path: Path) -> None:
    assert snapshots.snapshots(tmp_path / "none") == []
    assert snapshots.snapshots(tmp_path) == []


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("failing", range(9))
def test_whenever_it_is_cut_off_no_half_snapshot_is_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int, fault: type[BaseException], again: bool
) -> None:
    folder = tmp_path / "snapshots"
    old = {**CARD, "position": 6}
    publish(folder, b"old", CARD if again else old, keep=5)
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
        monkeypatch.setattr(snapshots, name, cut(getattr(snapshots, name)))
    for name in ("mkdir", "rename", "symlink_to", "replace", "unlink"):
        monkeypatch.setattr(Path, name, cut(getattr(Path, name)))
    try:
        publish(folder, b"old" if again else b"new", CARD, keep=5)
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
        json.loads((folder / name / "card.json").read_text())
    assert len(snapshots.snapshots(folder)) == len(visible) - 1
    if fault is OSError:
        assert not [name for name in shape(folder) if "01234567." in name]
    # The next one is not kept from being published by what is left.
    publish(folder, b"newest", {**CARD, "position": 8}, keep=5)
    assert (folder / "latest" / "model.txt").read_bytes() == b"newest"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"The snapshot cannot be written to .*file: File exists\.$"):
        publish(tmp_path / "file", b"", CARD, keep=1)


def test_what_killed_exports_left_is_cleared_away_in_time(tmp_path: Path) -> None:
    hidden = [f".{NAME}.123", ".latest.456"]
    others = [".git.1", ".bashrc.bak", ".latest.x", "1234", ".000000000007.99"]
    for name in (hidden[0], *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.txt").write_text("")
    (tmp_path / hidden[1]).symlink_to(NAME)
    publish(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {*hidden, *others, NAME, "latest"}, "these may still be at work"
    ago = time.time() - 2 * snapshots.LEFTOVER_S
    for name in (*hidden, *others):
        os.utime(tmp_path / name, (ago, ago), follow_symlinks=False)
    publish(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {*others, NAME, "latest"}


def test_the_same_model_again_gets_its_new_card(tmp_path: Path) -> None:
    publish(tmp_path, b"model", CARD, keep=5)
    publish(tmp_path, b"model", {**CARD, "note": "later"}, keep=5)
    assert shape(tmp_path) == {NAME, "latest"}
    assert shape(tmp_path / NAME) == {"model.txt", "card.json"}
    (card,) = snapshots.snapshots(tmp_path)
    assert card["note"] == "later"


def test_another_model_of_the_same_position_takes_its_own_place(tmp_path: Path) -> None:
    publish(tmp_path, b"one", CARD, keep=5)
    publish(tmp_path, b"two", {**CARD, "sha256": "abcdef0123"}, keep=5)
    assert [Path(card["path"]).read_bytes() for card in snapshots.snapshots(tmp_path)] == [b"one", b"two"]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"two"


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for position in range(1, 8):
        publish(tmp_path, b"%d" % position, {**CARD, "position": position}, keep=3)
        kept = [card["position"] for card in snapshots.snapshots(tmp_path)]
        assert kept == list(range(max(1, position - 2), position + 1))
        assert (tmp_path / "latest").resolve().name.startswith(f"{position:012d}")
    # In a new state folder the positions begin anew: older snapshots make room, whatever their positions.
    publish(tmp_path, b"1", CARD | {"position": 1}, keep=3)
    publish(tmp_path, b"2", CARD | {"position": 2}, keep=3)
    assert [card["position"] for card in snapshots.snapshots(tmp_path)] == [7, 1, 2]
    assert (tmp_path / "latest" / "model.txt").read_bytes() == b"2"


def test_only_what_was_published_makes_room(tmp_path: Path) -> None:
    others = ["2023", "000000000001", "000000000001-backup", "notes"]
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text("{}")
    for position in range(1, 5):
        publish(tmp_path, b"", {**CARD, "position": position}, keep=1)
    assert shape(tmp_path) == {*others, "000000000004-01234567", "latest"}


def test_a_damaged_card_is_told_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for position in (1, 2, 3, 4, 5):
        publish(tmp_path, b"", {**CARD, "position": position}, keep=5)
    (tmp_path / "000000000001-01234567" / "card.json").write_text("")
    (tmp_path / "000000000002-01234567" / "card.json").write_text("[]")
    (tmp_path / "000000000003-01234567" / "card.json").unlink()
    (tmp_path / "000000000004-01234567" / "card.json").write_text('{"file": "model.onnx"}')
    assert [card["position"] for card in snapshots.snapshots(tmp_path)] == [5]
    assert caplog.text.count("cannot be read") == 4
    # They make room like any other.
    publish(tmp_path, b"", CARD, keep=1)
    assert shape(tmp_path) == {NAME, "latest"}


# --- Exporting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["LinearRegressor", "MatrixFactorization"])
def test_the_card_tells_all_about_a_snapshot(tmp_path: Path, echo: type[Echo], kind: str) -> None:
    run = learned(tmp_path / "state", type=kind)
    run.store.close()
    card = export(run.config)
    model = Path(card["path"]).read_bytes()
    assert json.loads(model)[1] == {"device": "pump", "position": "40"}
    assert Path(card["path"]).parent == (tmp_path / "state" / "snapshots" / "latest").resolve()
    assert json.loads((Path(card["path"]).parent / "card.json").read_text()) == {
        key: value for key, value in card.items() if key != "path"
    }
    assert card["schema"] == 1
    assert card["device"] == "pump"
    assert card["position"] == 40
    assert card["edgedescent"] == __version__
    assert card["learner"]["type"] == kind
    assert card["metrics"] == run.engine.metrics()
    assert card["parity"]["max_rel_diff"] == 0.0
    assert card["parity"]["tolerance"] == 1e-5
    assert card["parity"]["events"] > 20
    assert card["sha256"] == hashlib.sha256(model).hexdigest()
    assert card["bytes"] == len(model)
    assert card["file"] == "model.txt"
    assert card["format"] == "echo"


def test_it_works_beside_a_running_daemon(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    for position in (40, 50):
        assert export(run.config)["position"] == position
        run.take(payloads(10, seed=9))
    before = (tmp_path / "edgedescent.db").read_bytes()
    export(run.config)
    assert (tmp_path / "edgedescent.db").read_bytes() == before
    run.store.close()


def test_it_goes_where_it_is_told_to(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path / "state")
    run.store.close()
    card = export(run.config, tmp_path / "out")
    assert Path(card["path"]).is_relative_to(tmp_path / "out")
    assert not (tmp_path / "state" / "snapshots").exists()


def test_what_root_exports_belongs_to_the_daemon(echo: type[Echo]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act for another user")
    nobody = 65_534
    # Not in pytest's own folder, which only its owner can enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        run = learned(Path(folder) / "state")
        run.store.close()
        state = run.store.folder
        for path in (state, *state.iterdir()):
            os.chown(path, nobody, nobody)
        export(run.config)
        export(run.config, Path(folder) / "out")
        found = [path for path in state.rglob("*") if path.is_relative_to(state / snapshots.FOLDER)]
        assert len(found) == 5
        assert {(path.lstat().st_uid, path.lstat().st_gid) for path in found} == {(nobody, nobody)}
        # What is asked for elsewhere is whose who asks, and so is everything afterwards.
        assert (Path(folder) / "out").stat().st_uid == os.geteuid() == os.getegid() == 0
        # Root does not follow where that user may have laid a link.
        Path(folder, "aim").mkdir()
        for path in sorted(found, reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        (state / snapshots.FOLDER).symlink_to(Path(folder, "aim"))
        with pytest.raises(ExportError, match="Permission denied"):
            export(run.config)
        assert (list(Path(folder, "aim").iterdir()), os.geteuid(), os.getegid()) == ([], 0, 0)


@pytest.mark.parametrize("error", [0.1, -1e-3, math.nan, math.inf])
def test_what_disagrees_is_not_published(tmp_path: Path, echo: type[Echo], error: float) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.error = error
    with pytest.raises(ExportError, match=r"differs from the live model by .* It was not published"):
        export(run.config)
    assert not (tmp_path / "snapshots").exists()
    # What was published before stays.
    echo.error = 0.0
    card = export(run.config)
    echo.error = error
    with pytest.raises(ExportError):
        export(run.config)
    assert Path(card["path"]).exists()
    assert len(snapshots.snapshots(tmp_path / "snapshots")) == 1


def test_what_predicts_too_little_is_not_published(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.dropped = 1
    with pytest.raises(ExportError, match=r"makes \d+ predictions for \d+ events. It was not published\.$"):
        export(run.config)
    assert not (tmp_path / "snapshots").exists()


def test_the_tolerance_is_the_configured_one(tmp_path: Path, echo: type[Echo]) -> None:
    run = learned(tmp_path)
    run.store.close()
    echo.error = 0.1
    assert export(with_snapshots(run.config, tolerance=0.99))["parity"]["max_abs_diff"] == pytest.approx(0.1)


def test_without_events_nothing_can_be_checked(tmp_path: Path, echo: type[Echo]) -> None:
    run = Run(a_config(tmp_path))
    for batch in ([], [b"no event"] * 20):
        if batch:
            run.take(batch)
        with pytest.raises(ExportError, match="There is no event to check a snapshot on") as caught:
            export(run.config)
        assert "Let the daemon learn a few events" in caught.value.hint
    run.store.close()


def test_without_a_state_there_is_nothing_to_export(tmp_path: Path, echo: type[Echo]) -> None:
    with pytest.raises(StateError, match="There is no state in"):
        export(a_config(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_an_unknown_exporter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`snapshots.exporter` is 'onx': expected one of .*onnx"):
        export(with_snapshots(a_config(tmp_path), exporter="onx"))


# --- The events to check on -------------------------------------------------------------------------------------------


def recent(run: Run, count: int) -> list[Any]:
    reader = Store(run.config.state.path, read_only=True)
    events = snapshots.recent_events(run.config, reader, run.engine, count)
    reader.close()
    return [event["id"] for event in events]


def test_the_newest_events_are_taken_in_order(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    for first in range(0, 30, 10):
        run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(first, first + 10)])
    assert recent(run, 3) == [27, 28, 29]
    assert recent(run, 12) == list(range(18, 30))
    assert recent(run, 1000) == list(range(30))
    run.store.close()


def test_they_are_looked_for_behind_what_was_refused(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(5)])
    for _ in range(20):
        run.take([b"no event"] * 10)
    run.take([b'[{"id": 5, "x": {}}, {"id": 6, "x": {}}, 7]'])
    run.take([b"[]"] * 10)
    assert recent(run, 2) == [5, 6]
    assert recent(run, 4) == [3, 4, 5, 6]
    assert recent(run, 100) == [0, 1, 2, 3, 4, 5, 6]
    run.store.close()


def test_they_end_where_the_journal_was_trimmed(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path), journal_bytes_max=1)
    for first in range(0, 50, 10):
        run.take([b'{"id": %d, "x": {"a": 1}}' % number for number in range(first, first + 10)])
        run.checkpoint()
    assert recent(run, 1000) == list(range(40, 50))
    run.store.close()


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
    publish(tmp_path, b"model", CARD, keep=1)
    assert steps == ["txt", "json", str(os.getpid()), "rename", tmp_path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be someone else")
def test_what_root_exports_belongs_to_whom_the_state_belongs_to() -> None:
    with TemporaryDirectory() as name:
        state = Path(name)
        state.chmod(0o755)
        os.chown(state, 65_534, 65_533)
        final = publish(state / "snapshots", b"model", CARD, keep=1)
        # Or the daemon could not publish its next one there.
        for path in (final.parent, final, *final.iterdir(), final.parent / "latest"):
            assert (path.lstat().st_uid, path.lstat().st_gid) == (65_534, 65_533)
        assert (os.geteuid(), os.getegid()) == (0, 0)
        elsewhere = publish(state / "elsewhere", b"model", CARD, keep=1, private=False)
        assert elsewhere.stat().st_uid == 0
