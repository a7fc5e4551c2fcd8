"""`edgedescent backup`: a copy of the state while the daemon writes."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from edgedescent.errors import StateError
from edgedescent.state.backup import backup
from edgedescent.state.recovery import recover
from edgedescent.state.store import FILE, Store
from support.command_line import device_file, run, run_json
from support.state_folder import Run, a_config, batches, bits, moved, payloads


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return device_file(tmp_path)


@pytest.fixture
def state(config: Path) -> Run:
    made = Run(a_config(config.parent / "state"))
    for batch in batches([b"\xff\x00", *payloads(59)], 7):
        made.take(batch)
    return made


def test_a_backup_is_the_state_bit_for_bit(config: Path, state: Run, tmp_path: Path) -> None:
    state.checkpoint()
    state.take(payloads(30, seed=3))
    # The daemon still has the file open.
    before = bits(state.engine)
    (report,) = run_json("backup", config, tmp_path / "copy.db")
    assert report["bytes"] == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "device.toml", "state"]
    state.take(payloads(30, seed=4))
    assert bits(state.engine) != before
    other = tmp_path / "restored"
    other.mkdir(mode=0o700)
    shutil.copyfile(tmp_path / "copy.db", other / FILE)
    restored = moved(state.config, other)
    store = Store(other)
    assert bits(recover(restored, store)) == before
    store.close()


def test_a_backup_never_takes_the_place_of_another(config: Path, state: Run, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_bytes(b"precious")
    result = run("backup", config, tmp_path / "copy.db")
    assert result.exit_code == 1
    assert "copy.db exists already." in result.stderr
    assert (tmp_path / "copy.db").read_bytes() == b"precious"


def test_a_backup_that_cannot_be_written_leaves_nothing(state: Run, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"cannot be copied to .*: No such file or directory"):
        backup(state.config.state.path, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(StateError, match="There is no state in"):
        backup(tmp_path, tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device.toml", "state"]


def test_a_backup_is_of_one_moment_although_the_daemon_writes(
    state: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgedescent.state import backup as module

    monkeypatch.setattr(module, "PAGES", 1)
    told_of: list[int] = []

    def write(done: int, total: int) -> None:
        told_of.append(done)
        if len(told_of) < 200:
            state.take([b'{"x": {"temp": 1}, "y": 2}'])

    module.backup(state.config.state.path, tmp_path / "copy.db", write)
    assert len(told_of) < 200, "it began anew with each commit"
    with sqlite3.connect(tmp_path / "copy.db") as db:
        assert db.execute("SELECT max(last) FROM journal").fetchone() == (60,)
    db.close()
