"""Settings that change between two lives of a daemon: what came before a change is treated as it was."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.config import Config, Limits, Predictions, State
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import StateError
from edgedescent.formats import FORMATS, Event, FeatureEvent, Format, JsonFormat, Piece
from edgedescent.state.disk import Disk
from edgedescent.state.position_file import Note, PositionFile
from edgedescent.state.recovery import recover
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.store import POSITION_FILE, Store
from support.state_file import sql
from support.state_folder import NOW, Run, a_config, batches, bits, payloads


def with_limits(config: Config, interval: float | None = None, **limits: Any) -> Config:
    return msgspec.structs.replace(config, limits=Limits(**limits), predictions=Predictions(interval=interval))


def undisturbed(parts: list[tuple[Config, list[bytes]]]) -> Engine:
    """An engine that learned each part with its own configuration, without a restart."""
    engine = parts[0][0].build_engine()
    for config, messages in parts:
        if messages:
            engine.configure(**config.engine_settings().options())
        for payload in messages:
            engine.handle(Message(engine.position + 1, NOW, "pump/events", payload))
    return engine


ARRAYS = [json.dumps([{"id": f"{i}.{j}", "x": {"a": j}, "y": j} for j in range(20)]).encode() for i in range(10)]
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"events_per_message_max": 5}, {"events_per_message_max": 50}),
    ({"events_per_message_max": 50}, {"events_per_message_max": 5}),
    ({"payload_bytes_max": 100}, {}),
    ({}, {"payload_bytes_max": 100}),
    ({"quarantine": False}, {}),
    ({}, {"quarantine": False}),
    ({"dedup_window": 3}, {"dedup_window": 1000}),
    ({"dedup_window": 1000}, {"dedup_window": 3}),
    ({"redelivery_window": 3}, {"redelivery_window": 1000}),
    ({"id_scope": "topic"}, {"id_scope": "device"}),
    ({"reused_ids": "drop"}, {"reused_ids": "learn"}),
    ({"interval": 0.9}, {}),
    ({}, {"interval": 0.9}),
    ({"interval": 0.9}, {"interval": 0.8}),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
@pytest.mark.parametrize("saved", [0, 4, 10])
def test_changed_limits_hold_for_new_messages_only(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], saved: int
) -> None:
    old = with_limits(a_config(tmp_path), **before)
    new = with_limits(old, **after)
    run = Run(old)
    for batch in batches(ARRAYS, 2):
        run.take(batch)
        if run.engine.position == saved:
            run.checkpoint()
    counters = dict(run.engine.counters)
    # As after kill -9: nothing is closed.
    again = Run(new)
    assert dict(again.engine.counters) == counters
    again.take(ARRAYS)
    assert bits(again.engine) == bits(undisturbed([(old, ARRAYS), (new, ARRAYS)]))
    # And once more, with both in the tail.
    third = Run(old)
    assert bits(third.engine) == bits(again.engine)
    for each in (run, again, third):
        each.store.close()


class NumberFormat(Format):
    """A message is the target of an event without features."""

    def decode(self, payload: bytes) -> list[Piece]:
        return [Piece([(0, FeatureEvent({}, float(payload)))], [])]

    def encode(self, event: Event) -> bytes:
        raise NotImplementedError


def test_another_payload_format_holds_for_new_messages_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FORMATS, "find", lambda name, _key: {"json": JsonFormat, "number": NumberFormat}[name])
    old = a_config(tmp_path)
    run = Run(old)
    run.take(payloads(20))
    again = Run(msgspec.structs.replace(old, topics=msgspec.structs.replace(old.topics, format="number")))
    assert bits(again.engine) == bits(run.engine)
    learned = again.engine.counters["events_learned"]
    again.take([b"21.5", b"22"])
    assert again.engine.counters["events_learned"] == learned + 2
    third = Run(old)
    assert bits(third.engine) == bits(again.engine)
    for each in (run, again, third):
        each.store.close()


LIMITS = st.fixed_dictionaries(
    {
        "dedup_window": st.sampled_from([2, 9, 1000]),
        "id_scope": st.sampled_from(["topic", "device"]),
        "reused_ids": st.sampled_from(["learn", "drop"]),
        "redelivery_window": st.sampled_from([1, 1000]),
        "events_per_message_max": st.sampled_from([2, 1000]),
        "payload_bytes_max": st.sampled_from([60, 1000]),
    }
)


@given(st.lists(st.tuples(LIMITS, st.sampled_from(["take", "append", "checkpoint", "nothing", "damage"])), max_size=12))
def test_no_order_of_changes_and_crashes_changes_a_bit(
    tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[dict[str, Any], str]]
) -> None:
    config = a_config(tmp_path_factory.mktemp("state"))
    waiting = iter(batches(payloads(4 * len(lives), seed=len(lives)), 4))
    done: list[tuple[Config, list[bytes]]] = []
    for limits, what in lives:
        config = with_limits(config, **limits)
        run = Run(config, durability="process", journal_bytes_max=random.Random(len(done)).choice([1, 300, 10**6]))
        assert not done or bits(run.engine) == bits(undisturbed(done))
        if what in ("take", "append", "checkpoint"):
            done.append((config, next(waiting)))
            run.append(done[-1][1])
        if what in ("take", "checkpoint"):
            run.learn()
        if what == "checkpoint":
            run.checkpoint()
        if what == "damage":
            # The newest checkpoint is lost, so that another one, or none, is the start.
            newest = sql(run.store.folder, "SELECT max(position) FROM checkpoints")[0][0]
            others = sql(run.store.folder, "SELECT count(*) FROM checkpoints")[0][0] > 1
            if newest is not None and (others or run.store.journal_extent()[0] == 1):
                run.store._db.execute("DELETE FROM checkpoints WHERE position = ?", (newest,))
        run.store.close()
    last = Run(config, durability="process")
    assert not done or bits(last.engine) == bits(undisturbed(done))
    assert len(last.store.records.settings) <= len(done) + 1
    last.store.close()


def test_a_change_is_said_once_with_its_position(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    run.store.close()
    changed = with_limits(run.config, dedup_window=9, events_per_message_max=2)
    for _ in range(2):
        again = Run(changed)
        (said,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
        changes = "dedup_window: 65536 before, 9 now; events_per_message_max: 10000 before, 2 now"
        assert said == f"From message 8 on, other settings hold: {changes}."
        again.take(payloads(1))
        again.store.close()


def test_the_history_keeps_what_may_be_needed_again() -> None:
    history = SettingsHistory()
    for i in range(1, 50):
        history = history.with_change(i, EngineSettings(dedup_window=i), needed_after=i - 5)
    assert len(history) == 6
    found = [history.at(i) for i in (44, 46, 49, 99)]
    assert found == [EngineSettings(dedup_window=i) for i in (44, 46, 49, 49)]
    assert history.next_change(44) == 45
    assert history.next_change(49) == float("inf")
    assert SettingsHistory.decode(history.encode()).encode() == history.encode()


def test_a_damaged_record_is_said_and_costs_only_the_old_settings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    run.store.close()
    sql(tmp_path, "UPDATE meta SET value = replace(value, '65536', '65537') WHERE key = 'settings'")
    again = Run(run.config)
    assert "The record of the engine's settings in" in caplog.text
    assert bits(again.engine) == bits(run.engine)
    again.store.close()


@pytest.mark.parametrize("n_more", [0, 3])
def test_a_lost_write_of_the_settings_is_said_and_the_configured_ones_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, n_more: int
) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    before = sql(tmp_path, "SELECT value FROM meta WHERE key = 'settings'")[0][0]
    run.store.close()
    changed = with_limits(run.config, dedup_window=2)
    run = Run(changed)
    if n_more:
        run.take(payloads(n_more))
    run.store.close()
    # The page as it was, with its good checksum: the disk has lost the last write.
    sql(tmp_path, "UPDATE meta SET value = ? WHERE key = 'settings'", before)
    caplog.clear()
    again = Run(changed)
    assert ("does not say with which settings its messages came from message 8 on" in caplog.text) == (n_more > 0)
    assert bits(again.engine) == bits(run.engine)
    assert again.store.records.settings.at(8) == changed.engine_settings(), "it is recorded again"
    again.store.close()
    caplog.clear()
    Run(changed).store.close()
    assert "does not say" not in caplog.text


def test_settings_that_are_newer_than_the_position_file_are_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    run.store.close()
    position_file = (tmp_path / POSITION_FILE).read_bytes()
    changed = with_limits(run.config, dedup_window=2)
    for config in (changed, run.config, changed):
        Run(config).store.close()
        # As after a kill between the two writes.
        (tmp_path / POSITION_FILE).write_bytes(position_file)
        caplog.clear()
        Run(config).store.close()
        assert "does not say" not in caplog.text
        position_file = (tmp_path / POSITION_FILE).read_bytes()


def test_a_position_file_of_a_version_without_settings_is_read(tmp_path: Path) -> None:
    text = b"%020d %020d" % (7, 5)
    (tmp_path / POSITION_FILE).write_bytes(b"%b %08x\n" % (text, zlib.crc32(text)))
    assert PositionFile(tmp_path / POSITION_FILE, Disk()).read() == Note(7, 5)


def test_settings_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="settings that this version does not know"):
        SettingsHistory.decode('[[1, {"what": 3}]]')


def test_a_format_that_is_not_installed_any_more_is_said(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    run.store.change_settings(SettingsHistory(), EngineSettings(format="gone"))
    run.store.close()
    store = Store(tmp_path, read_only=True)
    with pytest.raises(StateError, match=r"in a format that is not there: .*gone"):
        recover(run.config, store)
    store.close()


# --- The device -------------------------------------------------------------------------------------------------------


def test_the_state_of_another_device_is_refused(tmp_path: Path) -> None:
    run = Run(a_config(tmp_path))
    run.take(payloads(7))
    run.store.close()
    other = msgspec.structs.replace(run.config, device="other", state=State(path=str(tmp_path)))
    for read_only in (True, False):
        store = Store(tmp_path, read_only=read_only)
        with pytest.raises(
            StateError, match="belongs to the device 'pump'; the configuration is that of 'other'"
        ) as it:
            recover(other, store)
        assert "edgedescent adopt" in it.value.hint
        store.close()
