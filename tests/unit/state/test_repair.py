"""Damaged state files: their repair, and the errors of those beyond repair."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edgedescent.config import describe
from edgedescent.errors import StateError
from edgedescent.state import repair
from edgedescent.state.recovery import recover
from edgedescent.state.store import FILE, POSITION_FILE, Store
from support.full_disk import full_disk
from support.state_file import received, sql
from support.state_folder import Run, a_config, batches, bits, moved, payloads


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A closed state with checkpoints at 120 and 240 of 320 messages, and the engine that wrote it."""
    run = Run(a_config(tmp_path_factory.mktemp("worn") / "state"))
    for number, batch in enumerate(batches(payloads(320), 10), start=1):
        run.take(batch)
        if number in (6, 12, 24):
            run.checkpoint()
    run.store.close()
    return run


def copied(worn: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(worn.store.folder, folder)
    return folder


def test_a_destroyed_header_costs_nothing(worn: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for length in (16, 100, 4096):
        folder = copied(worn, tmp_path)
        damaged = bytearray((folder / FILE).read_bytes())
        damaged[:length] = b"\xff" * length
        (folder / FILE).write_bytes(damaged)
        run = Run(moved(worn.config, folder))
        assert bits(run.engine) == bits(worn.engine)
        assert len(run.store.dead_letters()) > 10
        run.take([b'{"x": {"a": 1}, "y": 1}'])
        run.checkpoint()
        run.store.close()
        assert {path.name for path in folder.iterdir()} == {FILE, POSITION_FILE, f"{FILE}.damaged-1"}
        assert (folder / f"{FILE}.damaged-1").read_bytes() == damaged
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
        assert "The state file was damaged" in caplog.text
        # The next one meets no damage, and damage that comes again is kept beside the first.
        caplog.clear()
        Run(moved(worn.config, folder)).store.close()
        assert caplog.records == []
        damaged[:100] = bytes(100)
        (folder / FILE).write_bytes(damaged)
        Run(moved(worn.config, folder)).store.close()
        assert {path.name for path in folder.iterdir()} == {
            FILE,
            POSITION_FILE,
            f"{FILE}.damaged-1",
            f"{FILE}.damaged-2",
        }


@pytest.mark.parametrize(("piece", "least"), [(repair.PAGE_BYTES, 0.7), (4096, 0.5)])
def test_every_damaged_piece_is_survived(worn: Run, tmp_path: Path, piece: int, least: float) -> None:
    size = (worn.store.folder / FILE).stat().st_size
    same = 0
    for number in range(size // piece):
        folder = copied(worn, tmp_path)
        with (folder / FILE).open("r+b") as file:
            file.seek(number * piece)
            file.write(random.Random(number).randbytes(piece))
        run = Run(moved(worn.config, folder))
        # Two generations and the journal stand in for each other: one piece costs nothing, unless it held messages
        # behind the newest checkpoint, or the way to them.
        assert run.engine.position == 320
        lost = run.engine.counters["messages_lost"]
        assert lost <= 80
        same += lost == 0
        assert (bits(run.engine) == bits(worn.engine)) == (lost == 0)
        run.store.close()
    # Seven of the 56 pages hold such messages. Of the 14 pieces of four pages, each of them may lie in another one.
    assert same >= size // piece * least


def test_any_damage_is_repaired_or_reported_in_one_line(worn: Run, tmp_path: Path) -> None:
    rng = random.Random(7)
    repaired, refused = 0, []
    for _ in range(60):
        folder = copied(worn, tmp_path)
        damaged = bytearray((folder / FILE).read_bytes())
        begin = rng.randrange(len(damaged))
        end = min(len(damaged), begin + rng.choice([1, 1, 40, 4096, 100_000]))
        kind = rng.random()
        if kind < 0.2:
            begin = max(begin, 1)
            del damaged[begin:]
        elif kind < 0.4:
            damaged[begin:end] = bytes(end - begin)
        else:
            damaged[begin:end] = rng.randbytes(end - begin)
        (folder / FILE).write_bytes(damaged)
        try:
            run = Run(moved(worn.config, folder))
        except StateError as error:
            refused.append(error)
        else:
            repaired += 1
            run.take([b'{"x": {"a": 1}, "y": 1}', b"no event"])
            run.checkpoint()
            run.store.dead_letters()
            run.store.close()
            again = Run(moved(worn.config, folder))
            assert bits(again.engine) == bits(run.engine)
            again.store.close()
        kept = [path.read_bytes() for path in folder.glob(f"{FILE}*") if not path.name.endswith(("-wal", "-shm"))]
        assert damaged in kept or len(kept) == 1, "what was replaced is kept"
    assert repaired > 20
    assert len(refused) > 2
    assert all(error.hint and "\n" not in str(error) for error in refused)


def test_a_file_beyond_repair_is_left_unchanged(tmp_path: Path) -> None:
    for content in (b"no database at all" * 1000, b"\0" * 8192):
        (tmp_path / FILE).write_bytes(content)
        for _ in range(2):
            with pytest.raises(StateError, match=r"is damaged beyond repair: .*\.$") as caught:
                Store(tmp_path)
            assert "Restore it from a backup" in caught.value.hint
            assert (tmp_path / FILE).read_bytes() == content
            assert [path.name for path in tmp_path.iterdir()] == [FILE]
        with pytest.raises(StateError, match=r"The state file .* is damaged: "):
            Store(tmp_path, read_only=True)


def test_an_emptied_file_is_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    # As after a crash: the log is there, and SQLite would delete it.
    shutil.copytree(tmp_path, tmp_path / "crashed")
    store.close()
    for content in (b"", None):
        if content is None:
            (tmp_path / "crashed" / FILE).unlink()
        else:
            (tmp_path / "crashed" / FILE).write_bytes(content)
        for read_only in (True, False):
            with pytest.raises(StateError, match=r"is (empty|missing, though .* is there): damaged") as caught:
                Store(tmp_path / "crashed", read_only=read_only)
            assert "Restore the folder" in caught.value.hint
        assert (tmp_path / "crashed" / f"{FILE}-wal").stat().st_size > 0


def test_a_new_file_is_whole_before_it_has_its_name(tmp_path: Path) -> None:
    # What is left where the power went while it was made.
    (tmp_path / f"{FILE}.new").write_bytes(b"")
    (tmp_path / f"{FILE}.new-journal").write_bytes(b"half a page")
    store = Store(tmp_path)
    store.append(received(1), 0)
    store.close()
    assert {path.name for path in tmp_path.iterdir()} == {FILE, POSITION_FILE}
    assert sql(tmp_path, "PRAGMA page_size") == [(repair.PAGE_BYTES,)]
    roots = sql(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE type = 'table'")
    pieces = [(page - 1) * repair.PAGE_BYTES // 4096 for (page,) in roots]
    assert pieces == [0, 1, 2, 3, 4, 5], "no two tables begin in one piece of 4096 bytes"
    assert (tmp_path / FILE).read_bytes()[100] == 13, "what describes the tables fits into the first page"


def test_a_missing_state_file_is_an_error(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(10))
    run.store.close()
    (tmp_path / FILE).unlink()
    with pytest.raises(StateError, match=r"is missing, though edgedescent\.position is there"):
        Run(a_config(tmp_path))


def test_damage_in_the_wal_is_logged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite reads its log up to the first frame with a wrong checksum, and silently ignores the rest."""
    run = Run(a_config(tmp_path / "state"))
    run.take(payloads(20))
    run.checkpoint()
    for batch in batches(payloads(50, seed=1), 10):
        run.take(batch)
    shutil.copytree(tmp_path / "state", tmp_path / "crashed")
    run.store.close()
    log = tmp_path / "crashed" / f"{FILE}-wal"
    damaged = bytearray(log.read_bytes())
    damaged[-20_000:-19_900] = bytes(100)
    log.write_bytes(damaged)
    after = Run(moved(run.config, tmp_path / "crashed"))
    lost = after.engine.counters["messages_lost"]
    assert lost in (10, 20, 30, 40, 50)
    assert "The journal ends at message" in caplog.text
    assert "are lost" in caplog.text
    assert after.engine.position == after.store.last_position == 70
    # It is logged once.
    after.checkpoint()
    after.store.close()
    again = Run(moved(run.config, tmp_path / "crashed"))
    assert again.engine.counters["messages_lost"] == lost
    again.take([b'{"x": {"a": 1}, "y": 1}'])
    assert again.engine.position == 71
    again.store.close()


@pytest.mark.parametrize("note", [b"", b"\0" * 30, b"00000000000000000009 deadbeef\n", b"x", b"9"])
def test_an_unreadable_position_file_is_ignored(tmp_path: Path, note: bytes) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    store.close()
    (tmp_path / POSITION_FILE).write_bytes(note)
    store = Store(tmp_path)
    assert store.last_position == 1
    store.append(received(2), 0)
    store.close()
    assert b"2 " in (tmp_path / POSITION_FILE).read_bytes()


def test_a_reader_reports_damage_and_does_not_repair_it(worn: Run, tmp_path: Path) -> None:
    folder = copied(worn, tmp_path)
    with (folder / FILE).open("r+b") as file:
        file.write(b"\xff" * 4096)
    with pytest.raises(StateError, match="is damaged") as caught:
        Store(folder, read_only=True)
    assert "at its next start" in caught.value.hint
    assert {path.name for path in folder.iterdir()} == {FILE, POSITION_FILE}


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_an_interrupted_repair_is_finished(
    worn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    folder = copied(worn, tmp_path)
    with (folder / FILE).open("r+b") as file:
        file.write(b"\xff" * 4096)
    cut_off(monkeypatch, renames)
    with pytest.raises(KeyboardInterrupt):
        Store(folder)
    monkeypatch.undo()
    run = Run(moved(worn.config, folder))
    assert bits(run.engine) == bits(worn.engine)
    run.store.close()
    assert {path.name for path in folder.iterdir()} == {FILE, POSITION_FILE, f"{FILE}.damaged-1"}


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_repaired_file_never_meets_the_wal_of_the_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    path = tmp_path / FILE
    for suffix in ("", "-wal", "-shm", ".repaired"):
        Path(f"{path}{suffix}").write_text(suffix)
    cut_off(monkeypatch, renames)
    with pytest.raises(KeyboardInterrupt):
        repair.install_repaired(path)
    monkeypatch.undo()
    assert not path.exists() or path.read_text() == "" or not Path(f"{path}-wal").exists()
    repair.install_repaired(path)
    assert path.read_text() == ".repaired"
    assert not Path(f"{path}-wal").exists()
    assert not Path(f"{path}-shm").exists()
    assert sorted(file.read_text() for file in tmp_path.glob("*damaged*")) == ["", "-wal"]
    assert repair.install_repaired(path) is None


def cut_off(monkeypatch: pytest.MonkeyPatch, renames: int) -> None:
    """Simulate a power cut after a number of renames."""
    rename, done = Path.rename, 0

    def rename_or_not(self: Path, target: Any) -> Path:
        nonlocal done
        done += 1
        if done > renames:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_or_not)


def test_a_full_disk_stops_a_repair_that_a_later_start_finishes(worn: Run, tmp_path: Path) -> None:
    folder = copied(worn, tmp_path)
    with (folder / FILE).open("r+b") as file:
        file.write(b"\xff" * 4096)
    with pytest.raises(StateError, match="cannot be used"), full_disk(20_000):
        Store(folder)
    run = Run(moved(worn.config, folder))
    assert bits(run.engine) == bits(worn.engine)
    run.store.close()


def test_a_damaged_record_of_the_learner_is_reported_and_replaced(
    worn: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for damage in ("replace(value, 'RLS', 'RLT')", "CAST(x'ff' || value AS TEXT)", "''", "5"):
        folder = copied(worn, tmp_path)
        sql(folder, f"UPDATE meta SET value = {damage} WHERE key = 'learner'")  # noqa: S608
        caplog.clear()
        store = Store(folder)
        engine = recover(moved(worn.config, folder), store)
        assert bits(engine) == bits(worn.engine)
        assert "The record of the learner in" in caplog.text
        assert store.records.learner == describe(worn.engine.learner)
        store.close()


def test_errors_that_are_not_about_the_content_are_no_damage() -> None:
    assert not repair.is_damage(OSError())
    database = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        database.execute("SELECT * FROM nothing")
    assert repair.is_damage(caught.value)
    with pytest.raises(sqlite3.OperationalError) as caught:
        repair.connect(Path(os.sep) / "nowhere" / "x", "ro").execute("SELECT 1")
    assert not repair.is_damage(caught.value)
    database.close()
