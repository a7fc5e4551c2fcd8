"""Damage of the state file as a failing disk makes it: an error in one line or a loss that is said, never a fault."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from edgedescent.config import Config
from edgedescent.daemon.migration import migration_of
from edgedescent.errors import StateError
from edgedescent.state import recording
from edgedescent.state.adopt import owner_of
from edgedescent.state.backup import backup
from edgedescent.state.dead_letters import Selection, count_by_reason, find, purge, to_record, whole_payload
from edgedescent.state.recovery import recover
from edgedescent.state.store import FILE, Store
from support.state_file import sql
from support.state_folder import Run, a_config, batches, moved, payloads

PAGE = 1024


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A state with checkpoints, journal and dead letters: `closed`, and `open` with its write-ahead log."""
    folder = tmp_path_factory.mktemp("damage")
    run = Run(a_config(folder / "state"), durability="process")
    for number, batch in enumerate(batches(payloads(200, seed=5), 10)):
        run.take(batch)
        if number % 6 == 5:
            run.checkpoint()
    run.store.flush()
    shutil.copytree(folder / "state", folder / "open")
    run.store.close()
    shutil.copytree(folder / "state", folder / "closed")
    return run.config


def damage(chance: random.Random, path: Path) -> None:
    """Change some bytes, or a page, of a file, or cut it off."""
    data = bytearray(path.read_bytes())
    at = chance.randrange(len(data))
    start = at // PAGE * PAGE
    length = len(data[start : start + PAGE])
    kind = chance.choice(["bytes", "bytes", "zeros", "random", "copy", "cut"])
    if kind == "bytes":
        for _ in range(chance.choice([1, 4, 30])):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == "zeros":
        data[start : start + length] = bytes(length)
    elif kind == "random":
        data[start : start + length] = chance.randbytes(length)
    elif kind == "copy":
        other = chance.randrange(len(data) // PAGE) * PAGE
        data[start : start + length] = data[other : other + length]
    else:
        del data[at:]
    path.write_bytes(data)


def recovered(config: Config) -> None:
    store = Store(config.state.path, read_only=True)
    try:
        recover(config, store)
        store.dead_letters()
        assert store.answered >= 0
        assert store.allowance is None or len(store.allowance) == 2
    finally:
        store.close()


def shown(config: Config) -> None:
    for dead_letter in find(config.state.path, Selection()):
        to_record(dead_letter, whole_payload(config.state.path, dead_letter))


COMMANDS: dict[str, Callable[[Config], object]] = {
    "export": recovered,
    "journal info": lambda config: recording.extent(config.state.path),
    "journal export": lambda config: recording.export_journal(config.state.path, Path(config.state.path) / "out.jsonl"),
    "dead-letters show": shown,
    "dead-letters list": lambda config: count_by_reason(config.state.path, Selection()),
    "dead-letters purge": lambda config: purge(config.state.path, Selection(reason="malformed")),
    "backup": lambda config: backup(config.state.path, Path(config.state.path) / "copy.db"),
    "adopt": lambda config: owner_of(config.state.path),
    "migrate": lambda config: migration_of(config).plan(),
    "run": lambda config: Run(config, durability="process").store.close(),
}


@pytest.mark.rounds(quick=25, long=3000)
def test_damage_is_an_error_in_one_line_of_every_command(
    config: Config, tmp_path: Path, rounds: Iterable[int], chance: random.Random
) -> None:
    logging.getLogger("edgedescent").setLevel(logging.CRITICAL)
    try:
        for _ in rounds:
            folder = tmp_path / "state"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(Path(config.state.path).with_name(chance.choice(["open", "closed"])), folder)
            files = [path for name in (FILE, f"{FILE}-wal") if (path := folder / name).exists()]
            for _ in range(chance.choice([1, 1, 2])):
                damage(chance, chance.choice(files))
            for command in COMMANDS.values():
                with suppress(StateError):
                    command(moved(config, folder))
    finally:
        logging.getLogger("edgedescent").setLevel(logging.NOTSET)


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
