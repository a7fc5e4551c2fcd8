"""The store on a disk that is full, fails or is locked."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from edgedescent.engine.messages import Message
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state.store import FILE, Store
from support.full_disk import full_disk
from support.state_file import LEARNER, a_dead_letter, a_state, read, received
from support.state_folder import NOW


def test_a_failing_disk_is_an_error_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    store.checkpoint(a_state(1), 1, NOW, LEARNER)
    limit = (tmp_path / f"{FILE}-wal").stat().st_size
    store.add_dead_letter(a_dead_letter(1))
    for attempt in (
        lambda: store.append(received(2), 1),
        lambda: store.checkpoint(a_state(2, 100_000), 2, NOW, LEARNER),
        store.flush,
    ):
        with pytest.raises(StateError, match=r"The state file .* cannot be used: ") as caught, full_disk(limit):
            attempt()
        assert "the disk has free space" in caught.value.hint
    assert store.last_position == 1
    # The dead letter is not lost, and no position was skipped.
    store.append(received(2), 1)
    assert store.dead_letters() == [a_dead_letter(1)]
    assert read(store) == [1, 2]
    store.close()


def test_where_there_is_no_room_it_can_be_tried_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    store.add_dead_letter(a_dead_letter(2))
    large = [Message(2, NOW, "t", random.Random(1).randbytes(100_000))]
    for attempt in (
        lambda: store.append(large, 1),
        lambda: store.checkpoint(a_state(2, 100_000), 1, NOW, LEARNER),
    ):
        with pytest.raises(DiskFullError, match="cannot be written: database or disk is full") as caught:
            attempt()
        assert "Free space on its disk" in caught.value.hint
    assert store.last_position == 1
    store._db.execute("PRAGMA max_page_count = 1000000")
    store.append(large, 1)
    store.checkpoint(a_state(2, 100_000), 2, NOW, LEARNER)
    assert [message.position for message in store.read(0)] == [1, 2]
    assert store.dead_letters() == [a_dead_letter(2)]
    store.close()


def test_a_new_folder_on_a_full_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"The state file .* cannot be used: "), full_disk(0):
        Store(tmp_path / "state")


def test_a_file_that_another_process_holds_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store._db.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(StateError, match="database is locked"):
        store.append(received(1), 0)
    other.close()
    store.append(received(1), 0)
    store.close()
