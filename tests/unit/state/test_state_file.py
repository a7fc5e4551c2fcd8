"""The state file and its folder: permissions, names, versions, and readers beside the writer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgedescent.errors import StateError
from edgedescent.state.meta_table import with_checksum
from edgedescent.state.state_file import SCHEMA
from edgedescent.state.store import FILE, POSITION_FILE, Store
from support.state_file import LEARNER, a_state, read, received, sql
from support.state_folder import NOW


def test_only_the_owner_may_read_the_state(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    store = Store(folder)
    store.append(received(1), 0)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {FILE, f"{FILE}-wal", f"{FILE}-shm", POSITION_FILE}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    store.close()


@pytest.mark.parametrize("name", ["a#b", "a?mode=memory", "50%20", "a b", "µ", "a%", "file:x"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / name)
    store.append(received(1), 0)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    store = Store(tmp_path / name, read_only=True)
    assert read(store) == [1]
    store.close()


def test_a_relative_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store("state")
    store.append(received(1), 0)
    store.close()
    assert (tmp_path / "state" / FILE).exists()


def test_what_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"The state folder .*file cannot be used: File exists\."):
        Store(tmp_path / "file")
    with pytest.raises(StateError, match=r"cannot be used: Not a directory\."):
        Store(tmp_path / "file" / "state")
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateError, match="cannot be used: unable to open database file"):
        Store(tmp_path)


def test_nothing_is_read_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="There is no state in ") as caught:
        Store(tmp_path / "none", read_only=True)
    assert "check `state.path`" in caught.value.hint
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("version", [SCHEMA - 1, SCHEMA + 1])
def test_another_version_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    Store(tmp_path).close()
    sql(tmp_path, f"PRAGMA user_version = {version}")
    sql(tmp_path, "DELETE FROM meta WHERE key = 'version'")
    if version > SCHEMA:
        sql(tmp_path, "INSERT INTO meta VALUES ('version', ?)", with_checksum("version", str(version)))
    sql(tmp_path, "DROP TABLE dead_letters")
    for read_only in (False, True):
        with pytest.raises(StateError, match=rf"has version {version}; this version reads {SCHEMA}\.") as caught:
            Store(tmp_path, read_only=read_only)
        assert "Run the version" in caught.value.hint
        assert "new folder" in caught.value.hint
    assert sql(tmp_path, "PRAGMA user_version") == [(version,)]
    assert len(sql(tmp_path, "SELECT * FROM sqlite_schema WHERE name = 'dead_letters'")) == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_reader_beside_the_writer_sees_one_moment(tmp_path: Path) -> None:
    writer = Store(tmp_path, journal_bytes_max=1)
    writer.append(received(1, 2, 3), 0)
    writer.checkpoint(a_state(2), 2, NOW, LEARNER)
    reader = Store(tmp_path, read_only=True)
    checkpoints = reader.checkpoints()
    for position in range(4, 30):
        writer.append(received(position), 0)
        writer.checkpoint(a_state(position), position, NOW, LEARNER)
    # All of this is gone by now for whoever comes later.
    assert reader.last_position == 3
    assert [checkpoint.position for checkpoint in checkpoints] == [2]
    assert read(reader) == [1, 2, 3]
    reader.close()
    later = Store(tmp_path, read_only=True)
    assert [checkpoint.position for checkpoint in later.checkpoints()] == [29, 28]
    assert read(later) == [29]
    later.close()
    writer.close()


def test_a_reader_does_not_write(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    store.close()
    before = (tmp_path / FILE).read_bytes()
    reader = Store(tmp_path, read_only=True)
    assert read(reader) == [1]
    reader.close()
    assert (tmp_path / FILE).read_bytes() == before


def test_what_a_killed_writer_left_is_read(tmp_path: Path) -> None:
    code = (
        "import os, sys; from edgedescent.state.store import Store; from edgedescent.engine.messages import Message\n"
        "store = Store(sys.argv[1], durability='process')\n"
        "store.append([Message(i, 1.0, f'topic/{i}', b'%d' % i) for i in (1, 2)], 0); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / f"{FILE}-wal").stat().st_size > 0
    reader = Store(tmp_path, read_only=True)
    assert read(reader) == [1, 2]
    reader.close()
    store = Store(tmp_path)
    assert read(store) == [1, 2]
    store.close()
