"""Damage of the state folder as a failing disk makes it: nothing is lost or wrong without a word."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from damage import examine
from damage.lives import BUILT_IN
from edgedescent.daemon.status import FILE as STATUS_FILE
from edgedescent.daemon.status import read_status
from edgedescent.errors import StateError
from edgedescent.state import recording
from edgedescent.state.backup import backup
from edgedescent.state.dead_letters import Selection, find
from edgedescent.state.lock import FILE as LOCK_FILE
from edgedescent.state.lock import FolderLock, holder_of
from edgedescent.state.state_file import SCHEMA
from edgedescent.state.store import FILE, POSITION_FILE, Store
from support.state_file import sql
from support.state_folder import NOW, Run, a_config, batches, bits, payloads


@pytest.mark.rounds(quick=4, long=500)
@pytest.mark.parametrize("learner", BUILT_IN)
def test_damage_is_harmless_or_said(learner: str, rounds: Iterable[int], chance: Random) -> None:
    for _ in rounds:
        outcome = examine(learner, chance.randrange(2**31))
        assert not outcome.violations, f"{outcome.faults}: {outcome.violations}"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A closed state with 60 messages, dead letters among them, and checkpoints at 20 and 40."""
    run = Run(a_config(tmp_path / "state"), durability="process")
    for number, batch in enumerate(batches(payloads(60, seed=5), 10), start=1):
        run.take(batch)
        if number in (2, 4):
            run.checkpoint()
    run.store.close()
    return run


def again(run: Run) -> Run:
    """The next start."""
    return Run(run.config, durability="process")


# --- The journal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [2**40, 2**62, -1, 3, "many", b"\xff", 7.5])
def test_a_wrong_position_of_a_block_makes_no_messages(
    run: Run, tmp_path: Path, wrong: object, caplog: pytest.LogCaptureFixture
) -> None:
    folder = run.store.folder
    sql(folder, "UPDATE journal SET last = ? WHERE first = 51", wrong)
    assert Store(folder, read_only=True).last_position == 60, "as the note says"
    assert recording.extent(folder).last == 51
    # This took for ever, a message at a time up to 2^40.
    assert recording.export_journal(folder, tmp_path / "out") == 50
    assert "Messages 52 to 60 are missing" in caplog.text
    after = again(run)
    assert (after.engine.position, after.engine.counters["messages_lost"]) == (60, 10)
    after.take([b'{"x": {"a": 1}, "y": 1}'])
    assert after.engine.position == 61
    after.store.close()


def test_a_block_in_the_place_of_a_later_one_does_not_stop_the_journal(run: Run) -> None:
    sql(run.store.folder, "UPDATE journal SET first = 71 WHERE first = 51")
    after = again(run)
    assert after.engine.counters["messages_lost"] == 10
    after.take(payloads(30, seed=6))
    assert after.engine.position == 90
    after.store.close()


def test_an_export_says_which_messages_are_missing(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sql(run.store.folder, "DELETE FROM journal WHERE first IN (11, 21)")
    assert recording.export_journal(run.store.folder, tmp_path / "out") == 40
    assert "Messages 11 to 30 are missing: they cannot be read from the journal." in caplog.text


@pytest.mark.parametrize("table", ["journal", "checkpoints"])
def test_a_row_that_is_listed_and_not_found_is_left_out(
    tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(a_config(tmp_path), durability="process")
    for batch in batches(payloads(20), 10):
        run.take(batch)
        run.checkpoint()
    # A damaged tree may have another way from its root to a leaf than from one leaf to the next.
    found = run.store.read(0) if table == "journal" else run.store.checkpoints()
    next(iter(found))
    sql(tmp_path, "DELETE FROM journal WHERE first = 11")
    sql(tmp_path, "DELETE FROM checkpoints WHERE position = 10")
    rest = list(found)
    assert len(rest) == (9 if table == "journal" else 0), "the rest of the first block, or nothing"
    assert "has no row for message" in caplog.text
    run.store.close()


# --- Checkpoints and records ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [1_000_000, 41, 30])
def test_a_checkpoint_at_another_position_is_damaged(run: Run, wrong: int, caplog: pytest.LogCaptureFixture) -> None:
    sql(run.store.folder, "UPDATE checkpoints SET position = ? WHERE position = 40", wrong)
    after = again(run)
    assert bits(after.engine) == bits(run.engine)
    assert f"The checkpoint at message {wrong} is not usable" in caplog.text
    # It is no second generation: the next checkpoint takes its place.
    after.checkpoint()
    assert [checkpoint.position for checkpoint in after.store.checkpoints()] == [60, 20]
    after.store.close()


@pytest.mark.parametrize("key", ["answered", "session", "allowance", "learner", "device", "settings"])
@pytest.mark.parametrize("value", ["12345678 7", 7, b"\xff\x00", ""])
def test_a_damaged_record_counts_as_missing_and_is_told(
    run: Run, key: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    run = again(run)
    run.store.set_allowance(5.0, 6.0)
    run.store.save_memory("a session")
    run.store.close()
    sql(run.store.folder, "UPDATE meta SET value = ? WHERE key = ?", value, key)
    after = again(run)
    assert bits(after.engine) == bits(run.engine)
    assert (after.store.records.answered, after.store.memory, after.store.records.allowance) == (
        0 if key == "answered" else 50,
        "" if key == "session" else "a session",
        None if key == "allowance" else (5.0, 6.0),
    )
    assert "The record of the " in caplog.text
    after.store.close()


@pytest.mark.parametrize("value", ["12345678 60", 60, b"\xff\x00", ""])
def test_a_damaged_mark_of_another_learner_still_forbids_to_begin_with_the_first_message(
    run: Run, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    migrated = again(run)
    assert migrated.store.records.learner is not None
    migrated.store.begin_checkpoint(
        migrated.engine.state_dict(), 60, NOW, migrated.store.records.learner, new_learner=True
    ).write_all()
    migrated.store.close()
    sql(run.store.folder, "UPDATE meta SET value = ? WHERE key = 'learner_since'", value)
    sql(run.store.folder, "UPDATE checkpoints SET data = x'00'")
    with pytest.raises(StateError, match="cannot be recovered"):
        again(run)
    assert "The record of the learner before this one" in caplog.text


def test_a_state_that_lost_its_records_says_so(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    sql(run.store.folder, "DELETE FROM meta")
    again(run).store.close()
    assert "does not say to which learner or device it belongs" in caplog.text
    assert "does not say with which settings its messages came" in caplog.text
    caplog.clear()
    again(run).store.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- The file itself --------------------------------------------------------------------------------------------------


def test_the_version_in_a_damaged_header_is_set_right(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    sql(run.store.folder, f"PRAGMA user_version = {SCHEMA + 64}")
    Store(run.store.folder, read_only=True).close()
    after = again(run)
    assert bits(after.engine) == bits(run.engine)
    after.store.close()
    assert "The header of the state file" in caplog.text
    assert sql(run.store.folder, "PRAGMA user_version") == [(SCHEMA,)]


def test_a_header_that_forbids_writing_is_repaired(run: Run) -> None:
    path = run.store.folder / FILE
    path.write_bytes(path.read_bytes()[:18] + b"\x07" + path.read_bytes()[19:])
    after = again(run)
    assert bits(after.engine) == bits(run.engine)
    after.store.close()


@pytest.mark.parametrize(
    ("text", "other"), [("PRIMARY KEY, last", "P_IMARY KEY, last"), ("(position INTEGER", "(positiom INTEGER")]
)
def test_damage_of_what_describes_the_tables_is_repaired(run: Run, text: str, other: str) -> None:
    path = run.store.folder / FILE
    whole = path.read_bytes()
    assert text.encode() in whole[:1024]
    path.write_bytes(whole.replace(text.encode(), other.encode(), 1))
    with pytest.raises(StateError, match="is damaged"):
        Store(run.store.folder, read_only=True)
    after = again(run)
    assert bits(after.engine) == bits(run.engine)
    after.store.close()


def test_a_state_file_that_is_gone_is_no_new_state(run: Run) -> None:
    (run.store.folder / FILE).unlink()
    (run.store.folder / POSITION_FILE).write_bytes(b"")
    with pytest.raises(StateError, match=r"is missing, though edgedescent\.position is there") as caught:
        again(run)
    assert "Restore the folder from a backup" in caught.value.hint


@pytest.mark.parametrize("note", [None, b"", b"\0" * 30, b"00000000000000000009 deadbeef\n", b"9"])
def test_a_note_that_says_nothing_is_told_once(run: Run, note: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    path = run.store.folder / POSITION_FILE
    path.unlink()
    if note is not None:
        path.write_bytes(note)
    again(run).store.close()
    assert "at the end of the journal, behind message 60, or later settings, cannot be told." in caplog.text
    caplog.clear()
    again(run).store.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- Dead letters, backup, lock and status ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", ["payload = CAST('{}' AS BLOB)", "payload = 7", "topic = 'other'", "received_at = 'x'"]
)
def test_a_damaged_dead_letter_is_left_out(run: Run, change: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = run.store.folder
    before = find(folder, Selection())
    sql(folder, f"UPDATE dead_letters SET {change} WHERE id = (SELECT max(id) FROM dead_letters)")  # noqa: S608
    assert find(folder, Selection()) == before[1:]
    assert "is damaged and left out" in caplog.text


def test_a_backup_says_what_it_lacks(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = run.store.folder
    backup(folder, tmp_path / "whole.db")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    sql(folder, "DELETE FROM journal WHERE first > 40")
    sql(folder, "UPDATE journal SET crc = 0 WHERE first = 11")
    sql(folder, "UPDATE checkpoints SET data = x'00' WHERE position = 20")
    backup(folder, tmp_path / "copy.db")
    assert "1 checkpoints and 1 blocks of the journal" in caplog.text
    assert "The journal ends at message 40, but it had reached message 60." in caplog.text
    sql(folder, "UPDATE checkpoints SET data = x'00'")
    sql(folder, "DELETE FROM journal WHERE first = 1")
    with pytest.raises(StateError, match="no checkpoint is usable") as caught:
        backup(folder, tmp_path / "nothing.db")
    assert "Restart the daemon" in caught.value.hint
    assert not (tmp_path / "nothing.db").exists()


def test_a_damaged_state_is_no_matter_of_free_space(run: Run, tmp_path: Path) -> None:
    path = run.store.folder / FILE
    path.write_bytes(path.read_bytes()[:1024] + bytes(9000))
    with pytest.raises(StateError, match="is damaged") as caught:
        backup(run.store.folder, tmp_path / "copy.db")
    assert "repairs what it can" in caught.value.hint


@pytest.mark.parametrize("pid", ["²", "", "9" * 5000, "-7", "\0"])
def test_a_damaged_lock_file_names_nobody(tmp_path: Path, pid: str) -> None:
    with FolderLock(tmp_path):
        (tmp_path / LOCK_FILE).write_text(f"{pid}\n[")
        assert holder_of(tmp_path) == -1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"7",
        b"{}",
        b"[" * 100_000,
        b'{"pid": PID}',
        b'{"pid": PID, "time": "now"}',
        b'{"pid": PID, "connected": true, "time": 4e9, "state": "online", "since": 1e400, "version": "1"}',
    ],
)
def test_a_damaged_status_is_none(run: Run, content: bytes) -> None:
    folder = run.store.folder
    with FolderLock(folder, note=str(folder)):
        (folder / STATUS_FILE).write_bytes(content.replace(b"PID", b"%d" % holder_of(folder)))  # type: ignore[operator]
        with pytest.raises(StateError, match="is starting"):
            read_status(run.config)


# --- The campaign -----------------------------------------------------------------------------------------------------


def noticed(first: int) -> str:
    """The violation that the campaign finds."""
    for number in range(first, first + 40):
        if found := examine("LinearRegressor", number, exports=10**9).violations:
            return found[0]
    pytest.fail("40 faults showed nothing")
