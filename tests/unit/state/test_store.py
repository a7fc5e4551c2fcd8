from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedescent.config import describe
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.errors import DiskFullError, StateError
from edgedescent.state import journal_block, repair
from edgedescent.state.recovery import recover
from edgedescent.state.store import CHECKPOINTS_KEPT, FILE, POSITION_FILE, Store
from support.state_folder import NOW, Run, a_config, batches, bits, moved, payloads

LEARNER = {"type": "LinearRegressor"}


def received(*positions: int) -> list[Message]:
    return [Message(position, NOW + position, f"topic/{position}", b"%d" % position) for position in positions]


def a_state(number: int = 0, size: int = 1) -> dict[str, Any]:
    return {"w": np.full(size, float(number))}


def a_letter(position: int, index: int = 0, reason: str = "malformed") -> DeadLetter:
    return DeadLetter(position, index, NOW, "t", reason, "It is wrong.", b"%d" % position)


def read(store: Store, after: int = 0, up_to: int | None = None) -> list[int]:
    messages = list(store.read(after, up_to))
    assert all(m.payload == b"%d" % m.position and m.topic == f"topic/{m.position}" for m in messages)
    return [message.position for message in messages]


def sql(folder: Path, statement: str, *values: object) -> list[Any]:
    """What a failing SD card might do, or a look at what lies there."""
    database = sqlite3.connect(folder / FILE)
    with database:
        rows = database.execute(statement, values).fetchall()
    database.close()
    return rows


# --- The journal ------------------------------------------------------------------------------------------------------


def test_messages_come_back_as_they_were(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    messages = [
        Message(1, 0.0, "", b""),
        Message(2, -1.5, "µ/\0", bytes(range(256)), 65_535, True),
        Message(3, 1e300, "t", b"x" * 100_000, 1),
    ]
    store.append(messages, 0)
    assert list(store.read(0)) == messages
    store.close()
    reopened = Store(tmp_path / "state")
    assert list(reopened.read(0)) == messages
    reopened.close()


def test_messages_follow_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1, 2), 0)
    for wrong in (2, 4):
        with pytest.raises(ValueError, match=f"Message {wrong} does not follow message 2"):
            store.append(received(wrong), 0)
    store.append(received(3), 0)
    assert read(store) == [1, 2, 3]
    store.close()


def test_positions_go_on_after_reopening(tmp_path: Path) -> None:
    for first in (1, 4, 7):
        store = Store(tmp_path)
        assert store.last_position == first - 1
        store.append(received(first, first + 1), first - 1)
        store.append(received(first + 2), first - 1)
        store.close()
    store = Store(tmp_path)
    assert read(store) == list(range(1, 10))
    store.close()


def test_a_part_of_the_journal_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for first in (1, 4, 7):
        store.append(received(first, first + 1, first + 2), 0)
    assert read(store, after=4) == [5, 6, 7, 8, 9]
    assert read(store, after=3, up_to=7) == [4, 5, 6, 7]
    assert read(store, after=9) == read(store, after=5, up_to=5) == []
    # Whole blocks: what holds the last three of the first eight begins behind message 3.
    assert [store.first_of_last(count, 8) for count in (1, 3, 5, 6, 100)] == [6, 3, 3, 0, 0]
    store.close()


def test_positions_go_on_when_the_journal_is_trimmed_empty(tmp_path: Path) -> None:
    store = Store(tmp_path, journal_bytes_max=1)
    for position in (1, 2, 3):
        store.append(received(position), 0)
        store.checkpoint(a_state(), position, NOW, LEARNER)
    store.append(received(4), 0)
    store.checkpoint(a_state(), 4, NOW, LEARNER)
    store.checkpoint(a_state(), 4, NOW, LEARNER)
    store.close()
    sql(tmp_path, "DELETE FROM journal")
    store = Store(tmp_path)
    assert store.last_position == 4
    store.close()


def test_the_place_of_answers_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.answered == 0
    store.append(received(1), 0)
    store.append(received(2), 1)
    store.close()
    store = Store(tmp_path)
    assert store.answered == 1
    store.close()
    sql(tmp_path, "UPDATE meta SET value = 'x' WHERE key = 'answered'")
    store = Store(tmp_path)
    assert store.answered == 0
    store.close()


def test_the_journal_is_trimmed_to_what_the_older_checkpoint_needs(tmp_path: Path) -> None:
    store = Store(tmp_path, journal_bytes_max=1)
    for position in range(1, 11):
        store.append(received(position), 0)
    store.checkpoint(a_state(), 4, NOW, LEARNER)
    assert read(store) == list(range(1, 11)), "before a second checkpoint the journal stands in for a damaged one"
    store.checkpoint(a_state(), 7, NOW, LEARNER)
    assert read(store) == list(range(5, 11))
    store.checkpoint(a_state(), 10, NOW, LEARNER)
    assert read(store) == [8, 9, 10]
    store.close()
    store = Store(tmp_path, journal_bytes_max=1)
    assert (store.last_position, read(store)) == (10, [8, 9, 10])
    store.close()


def test_the_journal_keeps_what_its_bound_allows(tmp_path: Path) -> None:
    store = Store(tmp_path, journal_bytes_max=10_000)
    rng = random.Random(1)
    for position in range(1, 101):
        store.append([Message(position, NOW, "t", rng.randbytes(1000))], 0)
        store.checkpoint(a_state(), position, NOW, LEARNER)
    kept = [message.position for message in store.read(0)]
    assert kept == list(range(kept[0], 101))
    assert 8 <= len(kept) <= 10
    store.close()
    # The size is counted anew at each opening.
    store = Store(tmp_path, journal_bytes_max=5_000)
    store.append([Message(101, NOW, "t", b"")], 0)
    store.checkpoint(a_state(), 101, NOW, LEARNER)
    assert len(list(store.read(0))) <= 6
    store.close()


def test_the_journal_keeps_what_its_age_allows(tmp_path: Path) -> None:
    store = Store(tmp_path, journal_age_max_s=3.0)
    for position in range(1, 11):
        store.append(received(position), 0)
        if position in (5, 9):
            store.checkpoint(a_state(), position, NOW + 10, LEARNER)
    # All of it is old enough, but the older checkpoint needs what is behind it.
    assert read(store) == [6, 7, 8, 9, 10]
    store.checkpoint(a_state(), 10, NOW + 11, LEARNER)
    assert read(store) == [8, 9, 10]
    store.close()
    for age, kept in ((3.0, [8, 9, 10]), (None, list(range(1, 11)))):
        store = Store(tmp_path / str(age), journal_age_max_s=age)
        store.append(received(*range(1, 8)), 0)
        for position in (8, 9, 10):
            store.append(received(position), 0)
        store.checkpoint(a_state(), 9, NOW + 11, LEARNER)
        store.checkpoint(a_state(), 10, NOW + 11, LEARNER)
        assert read(store) == kept
        store.close()


def test_what_a_failed_checkpoint_would_have_dropped_still_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, journal_bytes_max=1)
    for position in (1, 2, 3):
        store.append(received(position), 0)
        store.checkpoint(a_state(), position, NOW, LEARNER)
    size = store._journal_bytes
    store.append(received(4), 0)
    grown = store._journal_bytes - size
    monkeypatch.setattr(store, "_write_dead_letters", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.checkpoint(a_state(), 4, NOW, LEARNER)
    assert store._journal_bytes == size + grown
    monkeypatch.undo()
    store.checkpoint(a_state(), 4, NOW, LEARNER)
    assert read(store) == [4]
    assert store._journal_bytes == grown
    store.close()


# --- Checkpoints ------------------------------------------------------------------------------------------------------


def test_two_generations_of_checkpoints_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert list(store.checkpoints()) == []
    assert store.learner is None
    for position in (1, 5, 5, 9):
        store.checkpoint(a_state(position), position, NOW + position, {**LEARNER, "position": position})
    found = [(c.position, c.created_at, c.state["w"][0]) for c in store.checkpoints()]
    assert found == [(9, NOW + 9, 9.0), (5, NOW + 5, 5.0)]
    assert len(found) == CHECKPOINTS_KEPT
    assert store.learner == {**LEARNER, "position": 9}
    store.close()


def test_a_damaged_checkpoint_is_told_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    store.checkpoint(a_state(1), 1, NOW, LEARNER)
    store.checkpoint(a_state(2), 2, NOW, LEARNER)
    store.close()
    for damage in ("x'00'", "'text'", "5", "CAST(substr(data, 1, 50) || x'00' || substr(data, 52) AS BLOB)"):
        sql(tmp_path, f"UPDATE checkpoints SET data = {damage} WHERE position = 2")  # noqa: S608
        caplog.clear()
        store = Store(tmp_path)
        assert [checkpoint.position for checkpoint in store.checkpoints()] == [1]
        assert "The checkpoint at message 2 is not usable: The checkpoint is damaged" in caplog.text
        store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "data = CAST(substr(data, 1, 9) || x'00' || substr(data, 11) AS BLOB)",
        "data = x''",
        "data = 'text'",
        "crc = crc + 1",
        "crc = 'text'",
        "last = last + 1",
    ],
)
def test_a_damaged_block_is_told_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    store = Store(tmp_path)
    for first in (1, 4, 7):
        store.append(received(first, first + 1, first + 2), 0)
    store.close()
    sql(tmp_path, f"UPDATE journal SET {damage} WHERE first = 4")  # noqa: S608
    store = Store(tmp_path)
    assert read(store) == [1, 2, 3, 7, 8, 9]
    assert "The journal is damaged at messages 4 to" in caplog.text
    assert store.last_position == 9
    store.close()


def test_a_block_is_bound_to_its_positions() -> None:
    data = journal_block.pack(received(1, 2))
    crc = journal_block.checksum(1, 2, data)
    assert journal_block.unpack(1, 2, crc, data) == received(1, 2)
    with pytest.raises(StateError, match="The journal is damaged at messages 3 to 4"):
        journal_block.unpack(3, 4, crc, data)


# --- Dead letters -----------------------------------------------------------------------------------------------------


def test_dead_letters_are_written_with_their_messages(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.add_dead_letter(a_letter(1))
    store.flush()
    assert store.dead_letters() == [], "its message is not durable, and may never be"
    store.add_dead_letter(a_letter(3))
    store.append(received(1, 2), 0)
    assert store.dead_letters() == [a_letter(1)]
    store.append(received(3), 0)
    store.add_dead_letter(a_letter(3, 1, "wrong_type"))
    store.checkpoint(a_state(), 2, NOW, LEARNER)
    store.append(received(4), 0)
    store.add_dead_letter(a_letter(4))
    store.add_dead_letter(a_letter(5))
    store.close()
    store = Store(tmp_path, read_only=True)
    assert store.dead_letters() == [a_letter(4), a_letter(3, 1, "wrong_type"), a_letter(3), a_letter(1)]
    assert store.dead_letters(limit=2) == [a_letter(4), a_letter(3, 1, "wrong_type")]
    assert store.dead_letters(reason="wrong_type") == [a_letter(3, 1, "wrong_type")]
    assert store.dead_letters(reason="x' OR 1") == []
    store.close()


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path, dead_letters_max=3)
    store.append(received(*range(1, 10_000)), 0)
    for position in range(1, 8):
        store.add_dead_letter(a_letter(position, 0))
        store.add_dead_letter(a_letter(position, 1))
        store.flush()
    assert [(letter.position, letter.index) for letter in store.dead_letters()] == [(7, 1), (7, 0), (6, 1)]
    # Also where they come all at once.
    for position in range(10, 10_000):
        store.add_dead_letter(a_letter(position))
    assert len(store._pending) == 3
    store.flush()
    assert [letter.position for letter in store.dead_letters()] == [9999, 9998, 9997]
    store.close()


def test_a_dead_letter_that_comes_again_is_the_same(tmp_path: Path) -> None:
    letters = [a_letter(position) for position in range(1, 9)]
    store = Store(tmp_path, dead_letters_max=5)
    store.append(received(*range(1, 9)), 0)
    for _ in range(3):
        # As recovery does, letter by letter and all together: also those that had made room for later ones.
        for letter in letters:
            store.add_dead_letter(letter)
            store.flush()
        assert store.dead_letters() == letters[:2:-1]
        for letter in letters:
            store.add_dead_letter(letter)
        store.flush()
        assert store.dead_letters() == letters[:2:-1]
    store.close()


# --- What it costs ----------------------------------------------------------------------------------------------------


def test_what_may_still_be_written_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.allowance is None
    store.set_allowance(123.4, NOW)
    assert store.allowance is None
    store.append(received(1), 0)
    assert store.allowance == (123.0, NOW)
    store.close()
    sql(tmp_path, "UPDATE meta SET value = 'x' WHERE key = 'allowance'")
    store = Store(tmp_path)
    assert store.allowance is None
    store.close()


def test_a_journal_of_constant_size_writes_no_more_than_one_that_grows(tmp_path: Path) -> None:
    rng = random.Random(1)
    written: dict[int, int] = {}
    for bytes_max in (10**9, 200_000):
        store = Store(tmp_path / str(bytes_max), durability="process", journal_bytes_max=bytes_max)
        before = store.written_bytes
        if before is None:
            pytest.skip("this kernel does not count it")
        for position in range(1, 1001):
            store.append([Message(position, NOW, "t", rng.randbytes(10_000))], 0)
            if position % 20 == 0:
                store.checkpoint(a_state(), position, NOW, LEARNER)
        store.close()
        after = store.written_bytes
        if after is None or after == before:
            pytest.skip("this file system is no disk")
        written[bytes_max] = after - before
    assert written[200_000] < 1.1 * written[10**9]


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    before = store.written_bytes
    if before is None:
        pytest.skip("this kernel does not count it")
    store.append([Message(1, NOW, "t", random.Random(1).randbytes(1_000_000))], 0)
    after = store.written_bytes
    assert after is not None
    if after == before:
        pytest.skip("this file system is no disk")
    assert 1_000_000 < after - before < 3_000_000
    store.close()


# --- The folder and the file ------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    Store(tmp_path).close()
    sql(tmp_path, f"PRAGMA user_version = {version}")
    sql(tmp_path, "DROP TABLE dead_letters")
    for read_only in (False, True):
        with pytest.raises(StateError, match=rf"has version {version}; this version reads 2\.") as caught:
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


# --- The disk ---------------------------------------------------------------------------------------------------------


@contextmanager
def full_disk(bytes_max: int) -> Iterator[None]:
    """Let no file of this process grow beyond so much; not for longer than needed, as the tests' own log is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fails_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    store.checkpoint(a_state(1), 1, NOW, LEARNER)
    limit = (tmp_path / f"{FILE}-wal").stat().st_size
    store.add_dead_letter(a_letter(1))
    for attempt in (
        lambda: store.append(received(2), 1),
        lambda: store.checkpoint(a_state(2, 100_000), 2, NOW, LEARNER),
        store.flush,
    ):
        with pytest.raises(StateError, match=r"The state file .* cannot be used: ") as caught, full_disk(limit):
            attempt()
        assert "the disk has free space" in caught.value.hint
    assert store.last_position == 1
    # The letter is not lost, nor has a position been taken.
    store.append(received(2), 1)
    assert store.dead_letters() == [a_letter(1)]
    assert read(store) == [1, 2]
    store.close()


def test_where_there_is_no_room_it_can_be_tried_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(received(1), 0)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    store.add_dead_letter(a_letter(2))
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
    assert store.dead_letters() == [a_letter(2)]
    store.close()


def test_a_new_folder_on_a_full_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"The state file .* cannot be used: "), full_disk(0):
        Store(tmp_path / "state")


def test_a_file_that_another_process_holds_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store._db.execute("PRAGMA busy_timeout = 1")
    with pytest.raises(StateError, match="database is locked"):
        store.append(received(1), 0)
    other.close()
    store.append(received(1), 0)
    store.close()


# --- Damage -----------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("piece", "least"), [(repair.PAGE_BYTES, 0.7), (4096, 0.6)])
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
            with pytest.raises(StateError, match=r"is (empty|missing, though its log is there): damaged") as caught:
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
    assert pieces == [0, 1, 2, 3, 4], "no two tables begin in one piece of 4096 bytes"


def test_a_state_that_is_gone_is_told(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(10))
    run.store.close()
    (tmp_path / FILE).unlink()
    with pytest.raises(StateError, match="cannot be recovered"):
        Run(a_config(tmp_path))


def test_damage_in_the_log_is_told_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SQLite reads its log up to the first frame whose checksum is wrong, and says nothing about the rest."""
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
    # It is told once.
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
    for damage in ("replace(value, 'Adam', 'Adbm')", "CAST(x'ff' || value AS TEXT)", "''", "5"):
        folder = copied(worn, tmp_path)
        sql(folder, f"UPDATE meta SET value = {damage} WHERE key = 'learner'")  # noqa: S608
        caplog.clear()
        store = Store(folder)
        engine = recover(moved(worn.config, folder), store)
        assert bits(engine) == bits(worn.engine)
        assert "The record of the learner in" in caplog.text
        assert store.learner == describe(worn.engine.learner)
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
