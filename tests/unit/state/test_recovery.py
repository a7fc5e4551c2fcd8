from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.config import Limits, State
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.errors import StateError
from edgedescent.state.recovery import recover
from edgedescent.state.store import FILE, Store
from support.state_folder import NOW, Run, a_config, batches, bits, moved, payloads

KINDS = [{"type": "LinearRegressor"}, {"type": "MatrixFactorization", "n_factors": 3}]


def undisturbed(config: Any, messages: list[bytes]) -> Engine:
    engine = config.build_engine()
    for position, payload in enumerate(messages, start=1):
        engine.handle(Message(position, NOW, "pump/events", payload))
    return engine


def sql(folder: Path, statement: str) -> None:
    database = sqlite3.connect(folder / FILE)
    with database:
        assert database.execute(statement).rowcount > 0, statement
    database.close()


def takes(kind: dict[str, Any]) -> str:
    return "features" if kind["type"] == "LinearRegressor" else "ratings"


def crash(folder: Path, to: Path) -> None:
    """What kill -9 leaves: the files as they are while they are open."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["type"])
def test_a_crash_at_any_point_changes_no_bit(tmp_path: Path, kind: dict[str, Any]) -> None:
    messages = payloads(60, takes=takes(kind), seed=3)
    config = a_config(tmp_path / "state", **kind)
    whole = bits(undisturbed(config, messages))
    run = Run(config, journal_bytes_max=500)
    n_dead_letters = 0
    for number, batch in enumerate(batches(messages, 3)):
        for step in ("before", "journaled", "learned", "checkpointed"):
            if step == "journaled":
                run.append(batch)
            elif step == "learned":
                run.learn()
            elif step == "checkpointed" and number % 3 == 2:
                run.checkpoint()
            crash(tmp_path / "state", tmp_path / "crashed")
            after = Run(moved(config, tmp_path / "crashed"), journal_bytes_max=500)
            done = 3 * number + (0 if step == "before" else 3)
            assert after.engine.position == done
            for rest in batches(messages[done:], 7):
                after.take(rest)
                after.checkpoint()
            assert bits(after.engine) == whole
            after.store.flush()
            n_dead_letters = len(after.store.dead_letters(1000))
            assert n_dead_letters == after.engine.counters["dead_letters"]
            after.store.close()
    assert n_dead_letters > 3
    assert bits(run.engine) == whole
    run.store.close()


@given(
    st.sampled_from(KINDS),
    st.integers(0, 1000),
    st.lists(st.sampled_from(["append", "learn", "checkpoint", "close", "crash"]), max_size=25),
)
def test_no_order_of_events_changes_a_bit(
    tmp_path_factory: pytest.TempPathFactory, kind: dict[str, Any], seed: int, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("run") / "0"
    config = a_config(folder, **kind)
    messages = payloads(4 * len(steps), takes=takes(kind), seed=seed)
    waiting = iter(batches(messages, 4))
    run = Run(config, durability="process", journal_bytes_max=300)
    for step in steps:
        if step == "append":
            run.append(next(waiting))
        elif step == "learn":
            run.learn()
        elif step == "checkpoint":
            run.checkpoint()
        else:
            if step == "crash":
                crash(folder, folder.with_name(f"{int(folder.name) + 1}"))
                folder = folder.with_name(f"{int(folder.name) + 1}")
            run.store.close()
            run = Run(moved(config, folder), durability="process", journal_bytes_max=300)
    run.learn()
    sent = 4 * steps.count("append")
    assert run.engine.position == run.store.last_position == sent
    assert bits(run.engine) == bits(undisturbed(config, messages[:sent]))
    run.store.close()


def test_the_effects_of_the_tail_come_again(tmp_path: Path) -> None:
    config = a_config(tmp_path)
    run = Run(config)
    messages = payloads(50, seed=1)
    run.take(messages[:20])
    run.checkpoint()
    before = len(run.effects)
    run.take(messages[20:])
    run.store.close()
    again = Run(config)
    assert again.effects == run.effects[before:]
    assert any(isinstance(effect, DeadLetter) for _, effect in again.effects)
    again.store.close()


def worn(tmp_path: Path, journal_bytes_max: int = 10**9) -> tuple[Run, bytes]:
    """120 messages in blocks of 10, with checkpoints at 40 and 80."""
    run = Run(a_config(tmp_path / "state"), journal_bytes_max=journal_bytes_max)
    for number, batch in enumerate(batches(payloads(120, seed=5), 10), start=1):
        run.take(batch)
        if number in (4, 8):
            run.checkpoint()
    run.store.close()
    return run, bits(run.engine)


def again(run: Run) -> Engine:
    store = Store(run.store.folder)
    engine = recover(run.config, store)
    store.close()
    return engine


SPOILT = "data = CAST(substr(data, 1, 60) || x'00ff' || substr(data, 63) AS BLOB)"


@pytest.mark.parametrize("journal_bytes_max", [1, 10**9])
def test_a_damaged_newest_checkpoint_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, journal_bytes_max: int
) -> None:
    run, whole = worn(tmp_path, journal_bytes_max)
    sql(run.store.folder, f"UPDATE checkpoints SET {SPOILT} WHERE position = 80")  # noqa: S608
    assert bits(again(run)) == whole
    assert "The checkpoint at message 80 is not usable" in caplog.text


def test_without_any_checkpoint_the_whole_journal_is_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, whole = worn(tmp_path)
    sql(run.store.folder, f"UPDATE checkpoints SET {SPOILT}")  # noqa: S608
    assert bits(again(run)) == whole
    sql(run.store.folder, "DELETE FROM checkpoints")
    assert bits(again(run)) == whole


def test_without_a_checkpoint_and_a_whole_journal_it_refuses(tmp_path: Path) -> None:
    run, _ = worn(tmp_path, journal_bytes_max=1)
    sql(run.store.folder, f"UPDATE checkpoints SET {SPOILT}")  # noqa: S608
    with pytest.raises(StateError, match="no checkpoint is usable and the journal is not whole") as caught:
        again(run)
    assert "Restore the folder from a backup" in caught.value.hint


def test_a_damaged_block_that_no_checkpoint_needs_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, whole = worn(tmp_path)
    # The newest checkpoint stands behind it, and is taken.
    sql(run.store.folder, f"UPDATE journal SET {SPOILT} WHERE first = 61")  # noqa: S608
    assert bits(again(run)) == whole
    assert "lost" not in caplog.text


def test_a_damaged_block_behind_all_checkpoints_is_counted_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, _ = worn(tmp_path)
    sql(run.store.folder, f"UPDATE journal SET {SPOILT} WHERE first = 91")  # noqa: S608
    engine = again(run)
    assert engine.position == 120
    assert engine.metrics()["messages_lost"] == 10
    assert "10 messages behind message 80 could not be read from the journal and are lost." in caplog.text
    expected = run.config.build_engine()
    for position, payload in enumerate(payloads(120, seed=5), start=1):
        if position == 91:
            expected.skip_to(100)
        if not 91 <= position <= 100:
            expected.handle(Message(position, NOW, "pump/events", payload))
    assert expected.learner.state_dict().keys() == engine.learner.state_dict().keys()
    ours, theirs = engine.state_dict(), expected.state_dict()
    for name in theirs:
        if not name.startswith("counter"):
            assert ours[name] == theirs[name] if isinstance(ours[name], list) else (ours[name] == theirs[name]).all()
    assert engine.counters == expected.counters


def test_a_damaged_last_block_is_counted(tmp_path: Path) -> None:
    run, _ = worn(tmp_path)
    sql(run.store.folder, f"UPDATE journal SET {SPOILT} WHERE first = 111")  # noqa: S608
    engine = again(run)
    assert (engine.position, engine.metrics()["messages_lost"]) == (120, 10)
    # Their positions are not given away again, and what is lost is lost once.
    after = Run(run.config)
    after.take([b'{"x": {"a": 1}, "y": 2}'])
    assert after.engine.position == 121
    after.checkpoint()
    after.store.close()
    assert again(run).metrics()["messages_lost"] == 10


def test_where_every_checkpoint_loses_messages_the_newest_is_taken(tmp_path: Path) -> None:
    run, _ = worn(tmp_path)
    sql(run.store.folder, f"UPDATE journal SET {SPOILT} WHERE first IN (51, 101)")  # noqa: S608
    engine = again(run)
    assert engine.metrics()["messages_lost"] == 10
    assert engine.position == 120


@pytest.mark.parametrize("when", ["before any message", "before any checkpoint", "after a checkpoint"])
@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"type": "MatrixFactorization"}, "type: 'LinearRegressor' there, 'MatrixFactorization' here"),
        ({"type": "LinearRegressor", "clip": 3.0}, "(clip: 5.0 there, 3.0 here)"),
        (
            {"type": "LinearRegressor", "optimizer": {"type": "SGD"}},
            "'type': 'RLS'} there, {'type': 'SGD', 'lr': 0.01, ",
        ),
    ],
)
def test_the_state_of_another_learner_is_refused(
    tmp_path: Path, when: str, other: dict[str, Any], difference: str
) -> None:
    run = Run(a_config(tmp_path))
    if when != "before any message":
        run.take(payloads(10))
    if when == "after a checkpoint":
        run.checkpoint()
    run.store.close()
    for read_only in (False, True):
        store = Store(tmp_path, read_only=read_only)
        with pytest.raises(StateError, match="was learned with another configuration") as caught:
            recover(a_config(tmp_path, **other), store)
        assert difference in str(caught.value)
        assert "give `state.path` a new folder" in caught.value.hint
        store.close()
    assert bits(again(run)) == bits(run.engine)


def test_what_does_not_change_the_learner_may_change(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(50))
    run.checkpoint()
    run.store.close()
    config = msgspec.structs.replace(
        run.config,
        # Written out, with an integer for a float, these are the defaults.
        learner={"type": "LinearRegressor", "clip": 5, "loss": {"type": "AdaptiveHuberLoss", "rate_min": 0.02}},
        limits=Limits(dedup_window=3, payload_bytes_max=10),
        state=State(path=str(tmp_path), journal_bytes_max=1),
    )
    store = Store(tmp_path)
    engine = recover(config, store)
    assert engine.position == 50
    assert engine.counters == run.engine.counters
    store.close()


def test_a_reader_recovers_beside_the_writer(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path), journal_bytes_max=1)
    seen = []
    for batch in batches(payloads(60), 10):
        run.take(batch)
        reader = Store(tmp_path, read_only=True)
        seen.append(bits(recover(run.config, reader)) == bits(run.engine))
        reader.close()
        run.checkpoint()
    assert seen == [True] * 6
    run.store.close()


def test_a_new_folder_is_a_new_engine(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path / "state"))
    assert run.engine.position == 0
    assert run.effects == []
    assert bits(run.engine) == bits(run.config.build_engine())
    assert run.store.records.learner is not None
    run.store.close()
