"""Migration of a state folder: learned events go on, nothing is learned twice, and a crash leaves one of the two."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent.assembly import InputSpec, LabelSpec
from edgedescent.config import Config
from edgedescent.daemon.migration import DeviceMigration, migration_of
from edgedescent.engine.messages import Message
from edgedescent.errors import StateError
from edgedescent.state import codec
from edgedescent.state.lock import FolderLock
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from support.state_folder import NOW, Run, a_config, payloads


def with_learner(config: Config, **learner: Any) -> Config:
    return msgspec.structs.replace(config, learner={"type": "LinearRegressor", **learner})


@pytest.fixture
def learned(tmp_path: Path) -> Config:
    """Configuration of a device that has learned something, with a checkpoint and a tail behind it."""
    config = a_config(tmp_path / "state")
    run = Run(config)
    run.take(payloads(60))
    run.store.close()
    return config


def carried_out(config: Config, copy: Path | None = None) -> DeviceMigration:
    migration = migration_of(config)
    assert migration.plan().is_possible
    migration.carry_out(copy, lambda _done, _total: None)
    return migration


def recovered(config: Config) -> Any:
    store = Store(config.state.path, read_only=True)
    try:
        return recover(config, store)
    finally:
        store.close()


X = {"temp": 4.0, "wind": 2.0}


def test_the_daemon_points_to_it(learned: Config) -> None:
    with pytest.raises(StateError, match="was learned with another configuration") as caught:
        recovered(with_learner(learned, l2=0.1))
    assert "edgedescent migrate CONFIG --dry-run" in caught.value.hint


def test_it_goes_on_where_it_was(learned: Config, tmp_path: Path) -> None:
    before = recovered(learned)
    after = with_learner(learned, l2=0.1, features_max=99)
    carried_out(after)
    engine = recovered(after)
    assert engine.position == before.position == 60
    assert engine.counters == before.counters
    assert engine.learner.predict_one(X) == before.learner.predict_one(X)
    assert engine.errors.summary() == before.errors.summary()
    # A repeat of a learned event is still one.
    run = Run(after)
    run.take(payloads(60))
    assert run.engine.counters["duplicates"] > before.counters["duplicates"] + 20
    run.store.close()
    with pytest.raises(StateError, match="was learned with another configuration"):
        recovered(learned)


def test_the_models_of_all_horizons_go_on(tmp_path: Path) -> None:
    meter, horizons = InputSpec(topics=("pump/events",), fields={"power": "P"}, time="t"), (5.0, 20.0)
    label = LabelSpec(input="meter", feature="meter.power", horizon_s=horizons)
    config = msgspec.structs.replace(a_config(tmp_path / "state"), inputs={"meter": meter}, label=label)
    run = Run(config)
    said = [json.dumps({"t": NOW + i, "P": 5 + i % 7}).encode() for i in range(60)]
    run.store.append([Message(i + 1, NOW + i, "pump/events", payload) for i, payload in enumerate(said)], 0)
    run.learn()
    run.store.close()
    before = recovered(config)
    after = with_learner(config, l2=0.1)
    migration = migration_of(after)
    # What holds for both is said once.
    assert [str(note) for note in migration.plan().notes] == [
        "kept: everything: `l2` was 0.0, is 0.1 from the next event on"
    ]
    carried_out(after)
    engine = recovered(after)
    assert [*engine.heads.by_horizon] == [*horizons]
    for head, old in zip(engine.heads.all, before.heads.all, strict=True):
        assert head.counts() == old.counts()
        assert head.counts()["events_learned"] > 30
        assert (head.learner.l2, old.learner.l2) == (0.1, 0.0)
        assert codec.encode(head.learner.state_dict()) == codec.encode(old.learner.state_dict())
    predictions = [head.learner.predict_one({"meter.power": 6.0}) for head in engine.heads.all]
    assert len(set(predictions)) == 2


def test_the_former_state_is_kept(learned: Config, tmp_path: Path) -> None:
    before = recovered(learned)
    after = with_learner(learned, l2=0.1)
    migration = migration_of(after)
    copy = migration.free_name(migration.plan())
    assert copy.name == "before-migration-60.db"
    carried_out(after, copy)
    made = migration_of(after).plan()
    assert migration.free_name(made).name == "before-migration-60-2.db"
    (tmp_path / "back").mkdir()
    copy.rename(tmp_path / "back" / "edgedescent.db")
    back = msgspec.structs.replace(learned, state=msgspec.structs.replace(learned.state, path=str(tmp_path / "back")))
    assert recovered(back).learner.predict_one(X) == before.learner.predict_one(X)


def test_a_plan_writes_nothing_and_needs_no_stop(learned: Config) -> None:
    before = {path.name: path.read_bytes() for path in Path(learned.state.path).iterdir()}
    with FolderLock(learned.state.path):
        made = migration_of(with_learner(learned, l2=0.1)).plan()
        assert [note.outcome for note in made.notes] == ["kept"]
        with pytest.raises(StateError, match="Another daemon"):
            carried_out(with_learner(learned, l2=0.1))
    after = {path.name: path.read_bytes() for path in Path(learned.state.path).iterdir()}
    assert {name: after[name] for name in before if name.endswith(".db")} == {
        name: content for name, content in before.items() if name.endswith(".db")
    }
    recovered(learned)


def test_the_same_configuration_needs_no_migration(learned: Config) -> None:
    migration = migration_of(learned)
    made = migration.plan()
    assert made.notes == []
    assert list(migration.lines(made)) == [
        f"The state in {learned.state.path} was learned with this configuration already."
    ]


def test_what_is_impossible_writes_nothing(learned: Config) -> None:
    migration = migration_of(with_learner(learned, hash_bits=4, l2=0.1))
    made = migration.plan()
    assert not made.is_possible
    lines = list(migration.lines(made))
    assert lines[-1].startswith("Nothing is written. Restore `[learner]`")
    with pytest.raises(StateError, match="cannot be carried over"):
        migration.carry_out(None, lambda _done, _total: None)
    recovered(learned)


def test_a_former_learner_is_never_recovered_as_the_new_one(learned: Config) -> None:
    """Neither an older checkpoint nor the journal from its first message leads to the new state."""
    after = with_learner(learned, l2=0.1)
    carried_out(after)
    with sqlite3.connect(Path(learned.state.path) / "edgedescent.db") as db:
        assert db.execute("SELECT position FROM checkpoints").fetchall() == [(60,)]
        db.execute("UPDATE checkpoints SET data = x'00'")
    db.close()
    with pytest.raises(StateError, match="cannot be recovered") as caught:
        recovered(after)
    assert "backup" in caught.value.hint


def test_later_checkpoints_are_as_ever(learned: Config) -> None:
    after = with_learner(learned, l2=0.1)
    carried_out(after)
    run = Run(after)
    run.take(payloads(30, seed=7))
    run.store.checkpoint(run.engine.state_dict(), run.engine.position, 1.0, after.describe_learner())
    run.store.close()
    with sqlite3.connect(Path(learned.state.path) / "edgedescent.db") as db:
        assert db.execute("SELECT position FROM checkpoints").fetchall() == [(60,), (90,)]
        db.execute("UPDATE checkpoints SET data = x'00' WHERE position = 90")
    db.close()
    assert recovered(after).position == 90


@pytest.mark.parametrize("step", range(1, 40, 3))
def test_a_crash_leaves_either_state(learned: Config, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    after = with_learner(learned, l2=0.1)
    old = recovered(learned).learner.predict_one(X)
    monkeypatch.setattr(Store, "piece_bytes", 500)
    calls = 0

    class CrashError(Exception):
        pass

    flush = Store._transaction

    def crashing(self: Store, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == step:
            raise CrashError
        return flush(self, *arguments, **options)

    monkeypatch.setattr(Store, "_transaction", crashing)
    try:
        carried_out(after)
        survivor = after
    except CrashError:
        survivor = learned
    monkeypatch.undo()
    assert recovered(survivor).learner.predict_one(X) == old
    assert recovered(survivor).position == 60


def test_answers_that_were_never_sent_are_said(learned: Config) -> None:
    run = Run(learned)
    run.append([b'{"x": {"temp": 1}}', b'{"x": {"temp": 2}}', b"{"])
    run.store.close()
    after = with_learner(learned, l2=0.1)
    made = migration_of(after).plan()
    assert (made.position, made.unsent) == (63, 2)
    assert any("not sent: 2 answers" in line for line in migration_of(after).lines(made))
    carried_out(after)
    store = Store(learned.state.path, read_only=True)
    assert store.dead_letters()[0].position == 63
    store.close()


def test_a_folder_without_a_state_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="There is no state in"):
        migration_of(a_config(tmp_path / "none"))
