"""A daemon that breaks a rule is caught by the simulated world: each rule is broken here once, on purpose."""

from __future__ import annotations

import errno
import itertools
import sqlite3
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import click.testing
import msgspec
import pytest

from edgedescent.config import Config
from edgedescent.daemon import loop as daemon_module
from edgedescent.daemon.commit import Committer
from edgedescent.daemon.connections import Connections
from edgedescent.daemon.loop import Daemon
from edgedescent.daemon.rate_limits import RateLimits
from edgedescent.daemon.receipt_order import ReceiptOrder
from edgedescent.engine import core as engine_module
from edgedescent.engine import repeats
from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine._redelivery_window import RedeliveryWindow
from edgedescent.engine.begun import Handled
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message
from edgedescent.errors import DiskFullError, StateError
from edgedescent.interfaces import Delivery
from edgedescent.state import checkpoints
from edgedescent.state.checkpoints import CheckpointWriter
from edgedescent.state.records import Records
from edgedescent.state.recovery import OnEffect
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.store import Store
from edgedescent.state.write_budget import WriteBudget
from edgedescent_mqtt.session_record import SessionRecord
from edgedescent_mqtt.subscriptions import Subscriptions
from edgedescent_world import Parts, simulate
from edgedescent_world import __main__ as command_line
from edgedescent_world import transport as transport_module
from edgedescent_world.disk import DiskError, SimulatedDisk
from edgedescent_world.ledger import LedgerStore
from edgedescent_world.sqlite import WorldDisk
from edgedescent_world.subscriptions import DeviceSubscriptions
from edgedescent_world.transport import SimulatedTransport

WORLDS_MAX = 150
"""A broken rule must be noticed within so many worlds; `make soak` runs many times as many."""


def caught(parts: Parts | None = None, *, first: int = 0) -> str:
    """The violation that the first world to notice reports.

    Args:
        parts: What the worlds are built of.
        first: Seed to begin with: where few worlds notice, one that does, so that not all those before it are run.
    """
    for seed in range(first, first + WORLDS_MAX):
        if violation := simulate(seed, parts).violation:
            return violation
    pytest.fail(f"{WORLDS_MAX} worlds noticed nothing")


def is_loss(violation: str) -> bool:
    """True if the violation is that durable messages were lost or the state file was damaged."""
    return any(
        text in violation
        for text in ("acknowledged messages are not in the journal", "has gaps", "gave up", "cannot be used")
    )


# --- Acknowledging ----------------------------------------------------------------------------------------------------


def test_acknowledging_before_the_commit() -> None:
    class Hasty(SimulatedTransport):
        def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
            arrived = super().poll(timeout_s, take=take)
            self.acknowledge(arrived)
            return arrived

    assert "acknowledged" in caught(Parts(transport=Hasty))


def test_acknowledging_over_a_later_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "still_valid", lambda deliveries, _: list(deliveries))
    violation = caught(first=11)
    assert "acknowledged before it was journaled" in violation or "was acknowledged before others" in violation


def test_acknowledging_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReceiptOrder, "durable", lambda _self, deliveries, _position: list(deliveries))
    assert "was acknowledged before others" in caught()


def test_acknowledging_what_could_not_be_committed() -> None:
    class Careless(LedgerStore):
        def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> int:
            try:
                return super().append(messages, answered, hurry=hurry)
            except StateError:
                self.last_position = messages[-1].position
                return 0

    violation = caught(Parts(store=Careless), first=5)
    assert "acknowledged before it was journaled" in violation or "was journaled behind message" in violation


def test_never_acknowledging() -> None:
    class Silent(SimulatedTransport):
        def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
            pass

    assert "not everything is processed" in caught(Parts(transport=Silent))


# --- Durability -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["OFF", "NORMAL"])
def test_commits_that_are_not_synced(how: str) -> None:
    class Unsynced(LedgerStore):
        def _open(self) -> sqlite3.Connection:
            db = super()._open()
            db.execute(f"PRAGMA synchronous = {how}")
            return db

    violation = caught(Parts(store=Unsynced), first=13)
    assert is_loss(violation)


def test_a_new_folder_that_is_not_synced() -> None:
    class Loose(WorldDisk):
        def sync_folders_above(self, path: Path) -> None:
            pass

    # In the first world, what is missed is the record of the subscriptions, which is lost with the folder.
    assert "acknowledged messages are not in the journal" in caught(Parts(disk=Loose), first=1)


def test_leaving_the_folder_to_sqlite_which_ignores_that_its_sync_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Relying(WorldDisk):
        def sync_folders_above(self, path: Path) -> None:
            for folder in PurePosixPath(path).parent.parents:
                self.disk.sync_folder(folder)

    sync_folder = SimulatedDisk.sync_folder

    def fail_often(disk: SimulatedDisk, folder: PurePosixPath) -> None:
        if not disk.chance.calm and disk.chance.dice.random() < 0.4:
            disk.faults += 1
            raise DiskError(errno.EIO, "sync fails")
        sync_folder(disk, folder)

    monkeypatch.setattr(SimulatedDisk, "sync_folder", fail_often)
    assert is_loss(caught(Parts(disk=Relying), first=122))
    assert all(simulate(seed).violation is None for seed in range(80, 100))


def test_building_on_what_an_earlier_life_failed_to_sync() -> None:
    class Trusting(WorldDisk):
        def rewrite(self, path: Path) -> None:
            pass

    violation = caught(Parts(disk=Trusting), first=2084)
    assert is_loss(violation)


def test_going_on_in_a_deleted_folder() -> None:
    class Blind(LedgerStore):
        def require_files(self) -> None:
            pass

    violation = caught(Parts(store=Blind), first=27)
    assert is_loss(violation) or "was journaled behind message 0" in violation


# --- Subscriptions ----------------------------------------------------------------------------------------------------


def test_hearing_what_no_filter_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceSubscriptions, "screen", lambda _self, delivery: [delivery])
    violation = caught(first=80)
    assert "which no filter asks for" in violation or "learned 2 times" in violation


def test_keeping_the_subscriptions_of_an_earlier_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Subscriptions, "_leave", lambda *_: None)
    assert "the session is subscribed to" in caught()


def test_forgetting_at_a_restart_what_the_session_is_subscribed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    load = SessionRecord.load

    def forgetful(*record: str) -> SessionRecord:
        return msgspec.structs.replace(load(*record), subscriptions={})

    monkeypatch.setattr(SessionRecord, "load", forgetful)
    assert "the session is subscribed to" in caught()


def test_learning_each_copy_for_overlapping_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "COPY", -1)
    assert "events were learned; the journal has" in caught(first=26)


def test_forgetting_at_a_restart_what_a_copy_would_be_of(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Engine.load_state_dict

    def forgetful(self: Engine, state: dict[str, Any]) -> None:
        load(self, {**state, "copies": state["copies"][:, :0]})

    monkeypatch.setattr(Engine, "load_state_dict", forgetful)
    violation = caught()
    assert "copies differ from those" in violation or "the counters are" in violation


# --- Learning once ----------------------------------------------------------------------------------------------------


def test_not_recognizing_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(DedupWindow):
        def __init__(self, _window: int) -> None:
            super().__init__(1)

    monkeypatch.setattr(repeats, "DedupWindow", Forgetful)
    assert "events were learned; the journal has" in caught()


def test_taking_the_ids_of_different_topics_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(LearningLoop):
        def __init__(self, *arguments: Any, learns_reused: bool, **_: bool) -> None:
            super().__init__(*arguments, by_topic=False, learns_reused=learns_reused)

    monkeypatch.setattr(engine_module, "LearningLoop", Blind)
    # Here two sources send the same, and there they do not.
    assert "events were learned; the journal has" in caught(first=24)
    assert "had the id of another one" in caught(first=29)


def test_taking_events_with_the_same_id_for_repeats_whatever_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(LearningLoop):
        def __init__(self, *arguments: Any, by_topic: bool, **_: bool) -> None:
            super().__init__(*arguments, by_topic=by_topic, learns_reused=False)

    monkeypatch.setattr(engine_module, "LearningLoop", Deaf)
    assert "events were learned; the journal has" in caught(first=8)


def test_not_counting_ids_that_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Engine.begin

    def in_silence(engine: Engine, *arguments: Any) -> list[Effect] | None:
        engine.counters.pop("ids_reused", None)
        return begin(engine, *arguments)

    monkeypatch.setattr(Engine, "begin", in_silence)
    assert "had the id of another one" in caught(first=8)


def test_not_recognizing_messages_that_are_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(RedeliveryWindow):
        def note(self, *arguments: Any) -> bool:
            super().note(*arguments)
            return False

    monkeypatch.setattr(repeats, "RedeliveryWindow", Forgetful)
    assert "events were learned; the journal has" in caught(first=4)


def test_trusting_the_packet_ids_of_every_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trusting(RedeliveryWindow):
        def connect(self, position: int, session: int, acknowledged: int, first_id: int) -> int:
            return super().connect(position, session, acknowledged, 0 * first_id)

    monkeypatch.setattr(repeats, "RedeliveryWindow", Trusting)
    assert "events were learned; the journal has" in caught(first=34)


def test_not_telling_the_engine_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connections, "mark", lambda _self, messages, _deliveries: messages)
    assert "was learned" in caught(first=34)


def test_taking_messages_with_the_same_content_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = Engine.begin

    def by_content(engine: Engine, message: Message, *rest: int) -> list[Effect] | None:
        return begin(engine, msgspec.structs.replace(message, packet_id=1, topic="", duplicate=True), *rest)

    monkeypatch.setattr(Engine, "begin", by_content)
    assert "events were learned; the journal has" in caught(first=4)


@pytest.mark.parametrize("what", ["DedupWindow", "RedeliveryWindow"])
def test_forgetting_what_was_learned_with_each_restart(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    kind: type[Any] = getattr(repeats, what)

    class Volatile(kind):  # type: ignore[misc]
        def restore(self, *saved: Any) -> None:
            # All but the last are of the messages.
            super().restore(*(part[:0] for part in saved[:-1]), saved[-1] * 0)

    monkeypatch.setattr(repeats, what, Volatile)
    # Which of the two it is depends on the arrival of a repeat.
    violation = caught()
    assert "the counters are" in violation or "differ from those" in violation


def test_learning_a_part_of_the_journal_again() -> None:
    class Backward(LedgerStore):
        def begin_checkpoint(self, state: dict[str, Any], *rest: Any) -> CheckpointWriter:
            return super().begin_checkpoint({**state, "position": state["position"] - 1}, *rest)

    assert "the counters are" in caught(Parts(store=Backward))


def test_not_learning_what_was_journaled_before_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def skip(config: Config, store: Store, on_effect: OnEffect, **_: Any) -> Engine:
        engine = config.build_engine()
        for checkpoint in itertools.islice(store.checkpoints(), 1):
            engine.load_state_dict(checkpoint.state)
        engine.skip_to(store.last_position)
        return engine

    monkeypatch.setattr(daemon_module, "recover", skip)
    assert "the counters are" in caught()


def test_recovering_with_the_limits_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_known(_records: Records) -> SettingsHistory:
        return SettingsHistory()

    monkeypatch.setattr(Records, "settings", property(nothing_known))
    # Only some worlds change limits, and few of them have messages behind a checkpoint at that moment.
    violation = caught(first=10)
    # The numbers of another drift detector do not even fit.
    signs = ("the counters are", "differ from those", "does not fit this configuration")
    assert any(sign in violation for sign in signs), violation


def test_learning_a_message_again_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handled, "restore", lambda _saved: None)
    # Few worlds are stopped within a message.
    violation = caught(first=890)
    assert "the counters are" in violation or "differ from those" in violation


def test_giving_up_for_no_reason() -> None:
    class Faint(Daemon):
        def turn(self, timeout_s: float) -> None:
            super().turn(timeout_s)
            if self.engine.position > 20:
                raise RuntimeError("too much")

    assert caught(Parts(daemon=Faint)) == "the daemon died: RuntimeError: too much"


def test_learning_what_is_then_not_journaled() -> None:
    class Leaky(LedgerStore):
        def append(self, messages: Sequence[Message], answered: int, *, hurry: bool = False) -> None:
            super().append(messages, answered, hurry=hurry)
            if len(messages) > 1:
                with self._transaction():
                    self._db.execute(
                        "UPDATE journal SET last = last - 1, crc = 0 WHERE last = ?", (self.last_position,)
                    )

    assert caught(Parts(store=Leaky))


def test_giving_up_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(_committer: Committer, error: DiskFullError) -> None:
        raise error

    monkeypatch.setattr(Committer, "_pause_for_space", give_up)
    assert "a full disk ended the daemon" in caught()


def test_taking_in_more_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Committer, "has_room", True)
    # About one world in thirty fills its disk while that many messages come.
    assert "messages wait for a commit" in caught(first=238)


def test_never_trying_again_on_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Committer._pause_for_space

    def wait_for_ever(committer: Committer, error: DiskFullError) -> None:
        wait(committer, error)
        committer._retry_at = float("inf")

    monkeypatch.setattr(Committer, "_pause_for_space", wait_for_ever)
    # In a world without a message, all that shows is that nothing was subscribed to.
    assert "not everything is processed" in caught(first=6)


def test_dropping_what_no_limit_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    def screen(_: RateLimits, deliveries: Sequence[Delivery], __: float) -> list[Delivery]:
        return [one.as_surplus() for one in deliveries]

    monkeypatch.setattr(RateLimits, "screen", screen)
    assert "dropped without a limit" in caught()


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_a_journal_that_only_grows() -> None:
    class Hoarder(LedgerStore):
        def _trim_journal(self, **_: float) -> int:
            return 0

    assert "bytes of the journal that recovery does not need" in caught(Parts(store=Hoarder), first=5)


def test_dropping_what_a_checkpoint_needs() -> None:
    class Eager(LedgerStore):
        def _trim_journal(self, **_: float) -> int:
            newest = self._db.execute("SELECT max(position) FROM checkpoints").fetchone()[0]
            self._db.execute("DELETE FROM journal WHERE last <= ?", (newest,))
            return 0

    assert "the older checkpoint needs" in caught(Parts(store=Eager))


def test_writing_more_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WriteBudget, "allows", lambda *_: True)
    assert "bytes were written, though no more than" in caught(first=59)


def test_a_checkpoint_too_rarely() -> None:
    class Lazy(LedgerStore):
        def begin_checkpoint(self, state: dict[str, Any], position: int, *rest: Any) -> CheckpointWriter:
            writer = super().begin_checkpoint(state, position, *rest)
            if position % 7:
                writer.write_piece = lambda: True  # type: ignore[method-assign]
            return writer

    assert "messages behind the checkpoint" in caught(Parts(store=Lazy), first=33)


def test_dead_letters_that_get_lost() -> None:
    class Sloppy(LedgerStore):
        def add_dead_letter(self, dead_letter: DeadLetter) -> None:
            if dead_letter.position % 5:
                super().add_dead_letter(dead_letter)

    assert "dead letters of messages" in caught(Parts(store=Sloppy), first=9)


def test_removing_the_parts_of_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.codec, "parts_of", lambda _root: range(0))
    assert "no checkpoint is usable" in caught()


def test_a_state_that_changes_while_it_is_written() -> None:
    class Careless(LedgerStore):
        """Copies nothing: what is learned before the last piece is part of the checkpoint."""

        def begin_checkpoint(self, state: dict[str, Any], *rest: Any) -> CheckpointWriter:
            writer = super().begin_checkpoint(state, *rest)
            write, pieces = writer.write_piece, itertools.count()

            def write_later() -> bool:
                if next(pieces) == 1:
                    state["errors"] += 1.0
                return write()

            writer.write_piece = write_later  # type: ignore[method-assign]
            return writer

    assert "errors" in caught(Parts(store=Careless))


# --- Reports ----------------------------------------------------------------------------------------------------------


def test_a_violation_comes_with_the_command_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "still_valid", lambda deliveries, _: list(deliveries))
    seed, violation = next((seed, found) for seed in range(WORLDS_MAX) if (found := simulate(seed).violation))
    runner = click.testing.CliRunner()
    done = runner.invoke(command_line.main, ["--first", str(seed), "--seeds", "1", "--jobs", "1"])
    assert done.exit_code == 1
    line = f"python -m edgedescent_world --seed {seed} --verbose"
    assert f"Seed {seed}: {violation}" in done.output
    assert f"Reproduce it with: {line}" in done.output
    again = runner.invoke(command_line.main, line.split()[3:])
    assert again.exit_code == 1
    assert f"violation: {violation}" in again.output
    assert "connection cut" in again.output
