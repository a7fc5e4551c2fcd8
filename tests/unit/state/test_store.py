"""The store: journal, checkpoints, dead letters and the write budget."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state import journal_block
from edgedescent.state.checkpoint_table import CHECKPOINTS_KEPT
from edgedescent.state.dead_letters import Selection, purge
from edgedescent.state.store import Store
from support.state_file import LEARNER, a_dead_letter, a_state, read, received, sql
from support.state_folder import NOW

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
    assert store.records.answered == 0
    store.append(received(1), 0)
    store.append(received(2), 1)
    store.close()
    store = Store(tmp_path)
    assert store.records.answered == 1
    store.close()
    sql(tmp_path, "UPDATE meta SET value = 'x' WHERE key = 'answered'")
    store = Store(tmp_path)
    assert store.records.answered == 0
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
    # The size is counted again at each opening.
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
    size = store._journal.bytes
    store.append(received(4), 0)
    grown = store._journal.bytes - size
    monkeypatch.setattr(store._dead_letters, "write", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.checkpoint(a_state(), 4, NOW, LEARNER)
    assert store._journal.bytes == size + grown
    monkeypatch.undo()
    store.checkpoint(a_state(), 4, NOW, LEARNER)
    assert read(store) == [4]
    assert store._journal.bytes == grown
    store.close()


# --- Checkpoints ------------------------------------------------------------------------------------------------------


def test_two_generations_of_checkpoints_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert list(store.checkpoints()) == []
    assert store.records.learner is None
    for position in (1, 5, 5, 9):
        store.checkpoint(a_state(position), position, NOW + position, {**LEARNER, "position": position})
    found = [(c.position, c.created_at, c.state["w"][0]) for c in store.checkpoints()]
    assert found == [(9, NOW + 9, 9.0), (5, NOW + 5, 5.0)]
    assert len(found) == CHECKPOINTS_KEPT
    assert store.records.learner == {**LEARNER, "position": 9}
    store.close()


def test_a_damaged_checkpoint_is_logged_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
def test_a_damaged_block_is_logged_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
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
    store.add_dead_letter(a_dead_letter(1))
    store.flush()
    assert store.dead_letters() == [], "its message is not durable, and may never be"
    store.add_dead_letter(a_dead_letter(3))
    store.append(received(1, 2), 0)
    assert store.dead_letters() == [a_dead_letter(1)]
    store.append(received(3), 0)
    store.add_dead_letter(a_dead_letter(3, 1, "wrong_type"))
    store.checkpoint(a_state(), 2, NOW, LEARNER)
    store.append(received(4), 0)
    store.add_dead_letter(a_dead_letter(4))
    store.add_dead_letter(a_dead_letter(5))
    store.close()
    store = Store(tmp_path, read_only=True)
    assert store.dead_letters() == [
        a_dead_letter(4),
        a_dead_letter(3, 1, "wrong_type"),
        a_dead_letter(3),
        a_dead_letter(1),
    ]
    assert store.dead_letters(limit=2) == [a_dead_letter(4), a_dead_letter(3, 1, "wrong_type")]
    assert store.dead_letters(reason="wrong_type") == [a_dead_letter(3, 1, "wrong_type")]
    assert store.dead_letters(reason="x' OR 1") == []
    store.close()


def test_dead_letters_are_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path, dead_letters_max=3)
    store.append(received(*range(1, 10_000)), 0)
    for position in range(1, 8):
        store.add_dead_letter(a_dead_letter(position, 0))
        store.add_dead_letter(a_dead_letter(position, 1))
        store.flush()
    assert [(one.position, one.index) for one in store.dead_letters()] == [(7, 1), (7, 0), (6, 1)]
    # Also where they come all at once.
    for position in range(10, 10_000):
        store.add_dead_letter(a_dead_letter(position))
    assert len(store._dead_letters.pending) == 3
    store.flush()
    assert [one.position for one in store.dead_letters()] == [9999, 9998, 9997]
    store.close()


def test_the_bytes_of_dead_letters_are_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path, dead_letters_bytes_max=100_000)
    store.append(received(*range(1, 1000)), 0)
    for position in range(1, 200):
        store.add_dead_letter(msgspec.structs.replace(a_dead_letter(position), payload=bytes(4000)))
        store.flush()
        kept = store.dead_letters(limit=1000)
        assert sum(len(one.payload) for one in kept) <= 100_000
        assert kept[0].position == position
        if position > 30:
            assert len(kept) >= 20
    # Rows that another process has purged make room.
    purge(tmp_path, Selection(before=NOW + 10**9))
    for position in range(200, 220):
        store.add_dead_letter(msgspec.structs.replace(a_dead_letter(position), payload=bytes(4000)))
        store.flush()
    assert len(store.dead_letters(limit=1000)) == 20
    store.close()
    # The bound holds for what was there at the start, and for one that is lower now.
    store = Store(tmp_path, dead_letters_bytes_max=20_000)
    store.add_dead_letter(msgspec.structs.replace(a_dead_letter(300), payload=bytes(4000)))
    store.flush()
    assert [one.position for one in store.dead_letters()] == [300, 219, 218, 217]
    store.close()


def test_a_dead_letter_that_comes_again_is_the_same(tmp_path: Path) -> None:
    dead_letters = [a_dead_letter(position) for position in range(1, 9)]
    store = Store(tmp_path, dead_letters_max=5)
    store.append(received(*range(1, 9)), 0)
    for _ in range(3):
        # As recovery does, one by one and all together, including those that were removed for later ones.
        for dead_letter in dead_letters:
            store.add_dead_letter(dead_letter)
            store.flush()
        assert store.dead_letters() == dead_letters[:2:-1]
        for dead_letter in dead_letters:
            store.add_dead_letter(dead_letter)
        store.flush()
        assert store.dead_letters() == dead_letters[:2:-1]
    store.close()


# --- What it costs ----------------------------------------------------------------------------------------------------


def test_what_may_still_be_written_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.records.allowance is None
    store.set_allowance(123.4, NOW)
    assert store.records.allowance is None
    store.append(received(1), 0)
    assert store.records.allowance == (123.0, NOW)
    store.close()
    sql(tmp_path, "UPDATE meta SET value = 'x' WHERE key = 'allowance'")
    store = Store(tmp_path)
    assert store.records.allowance is None
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
