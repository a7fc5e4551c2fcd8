"""Checkpoints that are written piece by piece: whole or nothing, and what is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgedescent.errors import DiskFullError, StateError
from edgedescent.state import codec
from edgedescent.state.checkpoints import CheckpointWriter, read_parts
from edgedescent.state.store import FILE, Store
from support.state_file import LEARNER, received, sql
from support.state_folder import NOW


def a_large_state(seed: int, size: int = 5000) -> dict[str, Any]:
    return {
        "table": np.random.default_rng(seed).normal(size=(size, 2)),
        "names": [f"name {i}" for i in range(50)],
        "nothing": np.zeros(0),
        "count": np.array([seed]),
    }


def a_store(folder: Path, piece_bytes: int = 10_000) -> Store:
    store = Store(folder)
    store.piece_bytes = piece_bytes
    return store


def begin(store: Store, position: int, seed: int | None = None) -> CheckpointWriter:
    return store.begin_checkpoint(a_large_state(seed or position), position, NOW, LEARNER)


def write(writer: CheckpointWriter, pieces: int | None = None) -> int:
    """Write some pieces, all that are left if no number is given; returns how many were written."""
    written = 0
    while written != pieces:
        written += 1
        if writer.write_piece():
            break
    return written


def found(store: Store) -> list[tuple[int, bool]]:
    """Positions of the checkpoints, and whether each holds the state of that seed."""
    return [
        (one.position, codec.encode(one.state) == codec.encode(a_large_state(one.position)))
        for one in store.checkpoints()
    ]


def tidy(store: Store) -> None:
    while store.has_unused_parts:
        store.remove_unused_parts()


@pytest.mark.parametrize("piece_bytes", [1, 100, 79_999, 80_000, 81_000, 131_072])
def test_a_state_comes_back_from_its_pieces(piece_bytes: int) -> None:
    state = a_large_state(1, 3 if piece_bytes == 1 else 5000)
    encoding = codec.Encoding(state, piece_bytes, first_part=7)
    parts = list(encoding.parts())
    root = encoding.root()
    assert len(parts) == encoding.n_parts
    assert {len(part) for part in parts} <= {piece_bytes}
    assert encoding.size == sum(map(len, parts)) + len(root)
    asked = []

    def read(first: int, count: int) -> list[bytes]:
        asked.append((first, count))
        return parts

    assert codec.encode(codec.decode(root, read)) == codec.encode(state)
    assert asked == ([(7, len(parts))] if parts else [])
    assert codec.parts_of(root) == range(7, 7 + len(parts))
    for damaged in (parts[1:], [*parts, b"x"], parts[::-1]) if len(set(parts)) > 1 else ():
        parts = damaged
        with pytest.raises(StateError, match="its checksum does not match"):
            codec.decode(root, read)


def test_the_journal_goes_on_between_the_pieces(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.append(received(1), 0)
    writer = begin(store, 1)
    for position in range(2, 20):
        done = writer.write_piece()
        store.append(received(position), position - 1)
        assert found(store) == ([(1, True)] if done else [])
        if done:
            break
    assert done
    assert position > 5
    store.close()
    reopened = Store(tmp_path)
    assert reopened.last_position == position
    assert found(reopened) == [(1, True)]
    assert not reopened.has_unused_parts
    reopened.close()


def test_what_was_cut_off_leaves_the_older_ones_and_is_removed(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.append(received(1, 2, 3, 4), 0)
    pieces = write(begin(store, 1))
    write(begin(store, 2))
    writer = begin(store, 3)
    for _ in range(pieces - 1):
        assert not writer.write_piece()
        # As after kill -9: another process opens what is there.
        again = Store(tmp_path)
        assert found(again) == [(2, True), (1, True)]
        assert again.has_unused_parts
        again.close()
    store.close()
    store = a_store(tmp_path)
    tidy(store)
    assert sql(tmp_path, "SELECT count(*) FROM parts") == [(2 * (pieces - 1),)]
    assert found(store) == [(2, True), (1, True)]
    write(begin(store, 4))
    assert found(store) == [(4, True), (2, True)]
    tidy(store)
    assert sql(tmp_path, "SELECT count(*) FROM parts") == [(2 * (pieces - 1),)]
    store.close()


def test_one_that_is_given_up_does_not_mix_with_the_next(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.append(received(1, 2), 0)
    write(begin(store, 1, seed=9), pieces=3)
    write(begin(store, 1))
    # At the same position again, as after a start without anything new.
    write(begin(store, 1))
    assert found(store) == [(1, True)]
    tidy(store)
    assert found(store) == [(1, True)]
    store.close()


def test_on_a_full_disk_a_piece_is_written_again(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.append(received(1), 0)
    writer = begin(store, 1)
    write(writer, pieces=2)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        with pytest.raises(DiskFullError):
            writer.write_piece()
    store._db.execute("PRAGMA max_page_count = 1000000")
    write(writer)
    assert found(store) == [(1, True)]
    store.close()


def test_a_damaged_part_costs_its_checkpoint_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = a_store(tmp_path)
    store.append(received(1, 2), 0)
    write(begin(store, 1))
    write(begin(store, 2))
    store.close()
    newest = sql(tmp_path, "SELECT max(id) FROM parts")[0][0]
    for damage in ("UPDATE parts SET data = zeroblob(10000)", "UPDATE parts SET data = 7.5", "DELETE FROM parts"):
        sql(tmp_path, f"{damage} WHERE id = {newest}")
        store = Store(tmp_path)
        assert found(store) == [(1, True)]
        assert "The checkpoint at message 2 is not usable" in caplog.text
        caplog.clear()
        store.close()


def test_numbers_of_parts_that_make_no_sense_find_none(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.append(received(1), 0)
    for numbers in ((2**64 - 1, 5), (2**63 - 1, 5), (-5, 9), (5, -9), (1, 2**62), (0, 1)):
        assert list(read_parts(store._db, *numbers)) == []
    store.close()


def test_a_file_of_an_earlier_version_gets_the_table(tmp_path: Path) -> None:
    store = a_store(tmp_path, 10**9)
    store.append(received(1), 0)
    write(begin(store, 1))
    store.close()
    sql(tmp_path, "DROP TABLE parts")
    store = a_store(tmp_path)
    write(begin(store, 2))
    assert found(store) == [(2, True), (1, True)]
    store.close()


def test_a_repair_keeps_checkpoints_whose_parts_are_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = a_store(tmp_path)
    store.append(received(1, 2), 0)
    write(begin(store, 1))
    write(begin(store, 2))
    store.close()
    page = sql(tmp_path, "SELECT rootpage FROM sqlite_schema WHERE name = 'dead_letters'")[0][0]
    sql(tmp_path, "DELETE FROM parts WHERE id = 1")
    with (tmp_path / FILE).open("r+b") as file:
        file.seek((page - 1) * 1024)
        file.write(b"\xff" * 1024)
    store = Store(tmp_path)
    assert "has been repaired" in caplog.text
    assert found(store) == [(2, True)]
    tidy(store)
    assert found(store) == [(2, True)]
    store.close()


def test_the_log_is_moved_in_short_steps_only_meanwhile(tmp_path: Path) -> None:
    def pages(store: Store) -> int:
        return int(store._db.execute("PRAGMA wal_autocheckpoint").fetchone()[0])

    store = a_store(tmp_path)
    store.append(received(1), 0)
    usual = pages(store)
    writer = begin(store, 1)
    assert pages(store) < usual
    write(writer)
    assert pages(store) == usual
    store.piece_bytes = 10**9
    begin(store, 1)
    assert pages(store) == usual
    store.close()
