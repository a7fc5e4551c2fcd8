"""The daemon's turns, with a transport, a clock and an export that do as the test says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import Make, event

from edgedescent.adapters import Delivery
from edgedescent.config import Config, convert
from edgedescent.daemon import main
from edgedescent.daemon.loop import SETTLE_S, Stopped, resident_bytes
from edgedescent.daemon.main import make_transport
from edgedescent.errors import ConfigError, StateError
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

# --- A turn -----------------------------------------------------------------------------------------------------------


def test_what_arrives_is_answered_at_once_and_acknowledged_when_it_is_durable(make: Make) -> None:
    world = make().recover()
    world.receive(event(1), event(2))
    assert world.learned == 2
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e1", "e2"]
    assert world.history == world.transport.acknowledged == []
    world.wait(1.0)
    assert world.history == ["append", "acknowledge"]
    assert world.transport.acknowledged == [event(1), event(2)]
    assert [message.payload for message in world.store.read(0)] == [event(1), event(2)]


def test_what_a_message_came_with_is_journaled(make: Make) -> None:
    world = make().recover()
    world.receive(Delivery("edgedescent/pump/events", event(1), 77, 1, duplicate=True))
    world.wait(1.0)
    (message,) = world.store.read(0)
    assert (message.packet_id, message.duplicate, message.topic) == (77, True, "edgedescent/pump/events")
    assert 0 <= world.clock.time() - 1.0 - message.received_at < 0.001


def test_what_cannot_be_made_durable_is_not_acknowledged_and_ends_the_daemon(make: Make) -> None:
    world = make().recover()
    world.receive(event(1))
    world.wait(1.0)
    world.receive(event(2))
    world.store.fault = StateError("The disk fails.")
    world.clock.now += 1.0
    with pytest.raises(StateError, match="fails"):
        world.daemon.run()
    assert world.transport.acknowledged == [event(1)]
    assert world.job.stopped
    # Without a goodbye, so that the broker tells with the last will that the device is gone.
    assert not world.transport.closed


def test_an_empty_turn_writes_nothing(make: Make) -> None:
    world = make().recover()
    for _ in range(5):
        world.wait(10.0)
    assert world.history == []


# --- Letters and answers ----------------------------------------------------------------------------------------------


def test_dead_letters_are_kept_and_counted(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make().recover()
    world.receive(b"garbage", event(1), b'{"x": {"a": ["hot"]}, "y": 1}')
    assert (world.learned, world.daemon.engine.counters["dead_letters"]) == (1, 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert world.store.dead_letters() == []
    world.wait(1.0)
    assert [letter.reason for letter in world.store.dead_letters()] == ["wrong_type", "malformed"]


def test_answers_without_a_connection_wait_for_one(make: Make) -> None:
    world = make(limits={"answers_bytes_max": 600}).recover()
    world.transport.connected = False
    world.receive(event(1), event(2), event(3))
    metrics = world.daemon.metrics()
    # The oldest make room.
    assert (metrics["answers_waiting"], metrics["answers_dropped"]) == (2, 1)
    # The metrics themselves are no answers.
    world.wait(100)
    assert world.daemon.metrics()["answers_dropped"] == 1
    world.transport.connected = True
    world.receive(event(4))
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e2", "e3", "e4"]
    assert world.daemon.metrics()["answers_waiting"] == 0


def test_where_no_answer_may_wait_all_are_dropped_and_counted(make: Make) -> None:
    world = make(limits={"answers_bytes_max": 0}).recover()
    world.transport.connected = False
    world.receive(event(1), event(2), event(3))
    assert world.daemon.metrics()["answers_dropped"] == 3


# --- Stopping ---------------------------------------------------------------------------------------------------------


def test_it_runs_until_it_is_stopped_and_saves_everything(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make().recover()
    world.transport.arriving = [[event(1)], [], [event(2)]]
    turns = 0
    turn = world.daemon.turn

    def counted(timeout_s: float) -> None:
        nonlocal turns
        turns += 1
        turn(timeout_s)
        if turns == 3:
            world.daemon.stop()

    monkeypatch.setattr(world.daemon, "turn", counted)
    world.daemon.run()
    assert turns == 3
    assert world.transport.closed
    assert world.job.stopped
    assert world.history[-1] == "checkpoint"
    world.restart()
    assert world.recover().learned == 2


def stop_at(world: Any, monkeypatch: pytest.MonkeyPatch, name: str, *, after_s: float = 0.0) -> None:
    """Ask the daemon to stop while it answers the event of that name, and let time pass."""
    publish = world.transport.publish

    def stopping(topic: str, payload: bytes, *, retain: bool = False) -> bool:
        if f'"{name}"'.encode() in payload:
            world.daemon.stop()
            world.clock.now += after_s
        return bool(publish(topic, payload, retain=retain))

    monkeypatch.setattr(world.transport, "publish", stopping)


def test_a_stop_waits_for_a_moment_at_which_nothing_is_under_way(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make().recover()
    stop_at(world, monkeypatch, "e2")
    first = [event(i) for i in range(1, 6)]
    world.transport.arriving = [
        first,
        [event(6)],
        [event(7)],
        [],
        [event(8)],
        [],
        [],
        [event(9)],
        [],
        [],
        [],
        [event(10)],
    ]
    world.daemon.run()
    assert world.learned == 9
    assert world.transport.acknowledged == [event(i) for i in range(1, 10)]
    assert world.history[-3:] == ["append", "acknowledge", "checkpoint"]
    # What comes after a moment in which nothing does, is left to the broker.
    assert world.transport.arriving == [[], [event(10)]]


def test_a_stop_under_load_keeps_to_the_distance_between_checkpoints(make: Make) -> None:
    world = make(state={"checkpoint_events": 10}).recover()
    world.transport.arriving = [[event(i)] if i % 4 else [] for i in range(1, 100)]
    world.daemon.stop()
    world.daemon.run()
    # Three events come between two moments of quiet.
    assert world.history.count("checkpoint") >= world.learned // 13 > 4


def test_a_stop_under_a_load_that_never_ends_comes_in_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make().recover()
    poll = world.transport.poll

    def passing(timeout_s: float, *, take: bool = True) -> Any:
        world.clock.now += 0.1
        world.transport.arriving.append([event(world.transport.packet_id + 1)])
        return poll(timeout_s, take=take)

    monkeypatch.setattr(world.transport, "poll", passing)
    world.daemon.stop()
    world.daemon.run()
    assert 10 < world.learned < 30
    assert len(world.transport.acknowledged) == world.transport.packet_id
    count = len(world.transport.acknowledged)
    world.restart()
    assert world.recover().learned == count


def test_a_stop_in_the_middle_of_too_many_messages_leaves_the_rest_to_the_next_start(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make().recover()
    stop_at(world, monkeypatch, "e2", after_s=SETTLE_S)
    world.transport.arriving.append([event(i) for i in range(1, 6)])
    world.daemon.run()
    # Nothing that was taken in is sent again.
    assert world.transport.acknowledged == [event(i) for i in range(1, 6)]
    assert world.learned == 2
    world.restart()
    world.recover()
    assert world.learned == 5
    world.receive()
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e3", "e4", "e5"]


@pytest.mark.parametrize(("count", "waits"), [(400, False), (600, True)])
def test_after_many_were_acknowledged_a_stop_waits_for_those_in_their_place(
    make: Make, count: int, waits: bool
) -> None:
    world = make().recover()
    world.transport.arriving = [[event(i) for i in range(1, count)]]
    world.daemon.stop()
    world.daemon.run()
    assert world.learned == count - 1
    assert (world.transport.waited_s > 0) == waits


def test_a_stop_during_recovery_is_heeded(make: Make) -> None:
    world = make().recover()
    world.receive(*(event(i) for i in range(100)))
    world.wait(1.0)
    world.store.close()
    world.restart()
    world.daemon.stop()
    with pytest.raises(Stopped):
        world.daemon.recover()
    world.store.close()
    world.restart()
    assert world.recover().learned == 100


# --- Recovery ---------------------------------------------------------------------------------------------------------


def test_what_was_learned_and_not_committed_is_as_if_it_had_never_come(make: Make) -> None:
    world = make().recover()
    world.receive(event(1))
    world.wait(1.0)
    world.receive(event(2))
    world.store.close()
    world.restart()
    world.recover()
    assert world.learned == 1
    # The broker, which was told nothing, sends it again.
    world.receive(Delivery("edgedescent/pump/events", event(2), 2, 1, duplicate=True))
    assert world.learned == 2
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e2"]


def test_answers_that_may_not_have_gone_out_before_a_crash_are_sent_once_there_is_a_connection(make: Make) -> None:
    world = make(state={"commit_messages": 2}).recover()
    world.receive(event(1))
    world.receive(event(2))
    assert world.history == ["append", "acknowledge"]
    world.store.close()
    world.restart()
    world.recover()
    world.transport.connected = False
    world.receive()
    assert world.transport.published == []
    world.transport.connected = True
    world.receive(event(3))
    # That of the first turn was out before the second began.
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e2", "e3"]
    world.receive()
    assert len(world.transport.of("predictions")) == 2


def test_answers_that_waited_for_a_connection_are_sent_after_a_crash(make: Make) -> None:
    world = make().recover()
    world.receive(event(1))
    world.transport.connected = False
    world.receive(event(2))
    world.receive(event(3))
    world.wait(1.0)
    world.store.close()
    world.restart()
    world.recover().receive()
    assert [answer["id"] for answer in world.transport.of("predictions")] == ["e2", "e3"]


def test_what_was_run_again_is_saved_at_once(make: Make) -> None:
    world = make().recover()
    world.receive(event(1), event(2))
    world.wait(1.0)
    world.store.close()
    world.restart()
    world.recover()
    assert world.history == ["checkpoint"]
    assert [checkpoint.position for checkpoint in world.store.checkpoints()] == [2]


def test_a_new_device_saves_nothing_before_it_has_learned(make: Make) -> None:
    assert make().recover().history == []


# --- By the clock -----------------------------------------------------------------------------------------------------


def test_checkpoints_come_by_events_and_by_time_but_not_for_nothing(make: Make) -> None:
    world = make(state={"checkpoint_events": 3, "checkpoint_interval_s": 60.0}).recover()
    world.receive(event(1), event(2))
    assert "checkpoint" not in world.history
    world.receive(event(3))
    assert world.history.count("checkpoint") == 1
    world.receive(event(4))
    assert world.history.count("checkpoint") == 1
    world.clock.now += 60
    world.receive()
    assert world.history.count("checkpoint") == 2
    world.clock.now += 600
    world.receive()
    assert world.history.count("checkpoint") == 2
    assert recover(world.config, Store(world.config.state.path, read_only=True)).position == 4


def test_metrics_come_at_their_interval(make: Make, tmp_path: Path) -> None:
    world = make(metrics={"interval_s": 10.0}).recover()
    world.receive(event(1))
    world.receive(event(2))
    assert len(world.transport.of("metrics")) == 1
    world.clock.now += 10
    world.receive(event(3))
    first, second = world.transport.of("metrics")
    assert "events_per_second" not in first
    assert second["events_per_second"] == 0.2
    assert second["device"] == "pump"
    assert second["memory_bytes"] > 1e6
    status = json.loads((tmp_path / "state" / "status.json").read_bytes())
    assert status["connected"] is True
    assert status["events_learned"] == 3


def test_a_status_that_cannot_be_written_is_told_once_each_time_it_begins(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make(metrics={"interval_s": 1.0}).recover()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "missing"))
    for _ in range(3):
        world.clock.now += 1
        world.receive()
    (tmp_path / "missing").mkdir()
    world.clock.now += 1
    world.receive()
    assert (tmp_path / "missing" / "status.json").exists()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(world.transport.of("metrics")) == 4


# --- Snapshots --------------------------------------------------------------------------------------------------------


def test_snapshots_come_by_events(make: Make) -> None:
    world = make(snapshots={"every_events": 2}).recover()
    world.receive(event(1))
    assert world.job.started == 0
    world.receive(event(2), event(3))
    assert world.job.started == 1
    # The child process reads the state file: what it is to export must be there.
    assert world.history[-1] == "checkpoint"
    world.receive(event(4), event(5))
    assert world.job.started == 1, "one at a time"
    world.job.card = {"position": 3}
    world.receive()
    world.receive()
    assert world.job.started == 2


def test_snapshots_come_by_time(make: Make) -> None:
    world = make(snapshots={"every_s": 60.0}).recover()
    world.receive(event(1))
    world.clock.now += 59
    world.receive()
    assert world.job.started == 0
    world.clock.now += 1
    world.receive()
    assert world.job.started == 1


def test_snapshots_come_on_request_also_while_another_is_made(make: Make) -> None:
    world = make().recover()
    world.receive(event(1))
    world.clock.now += 1e6
    world.receive()
    assert world.job.started == 0
    world.daemon.request_snapshot()
    world.receive()
    assert world.job.started == 1
    world.daemon.request_snapshot()
    world.receive()
    assert world.job.started == 1
    world.job.card = {"position": 1}
    world.receive()
    world.receive()
    assert world.job.started == 2


def test_a_card_waits_for_a_connection_and_is_retained(make: Make) -> None:
    world = make().recover()
    world.receive(event(1))
    world.transport.connected = False
    world.job.card = {"position": 1}
    world.receive()
    world.receive()
    assert world.transport.of("snapshots") == []
    world.transport.connected = True
    world.receive()
    world.receive()
    assert world.transport.of("snapshots") == [{"position": 1}]
    assert [retain for topic, _, retain in world.transport.published if topic.endswith("snapshots")] == [True]


# --- Around it --------------------------------------------------------------------------------------------------------


def test_a_wrong_transport_or_table_is_named() -> None:
    def config(**tables: Any) -> Config:
        return convert({"device": "pump", "learner": {"type": "LinearRegressor"}, **tables}, Config)

    main.check(config())
    for wrong, message in (
        (config(transport="mqqt"), r"`transport` is 'mqqt': expected one of mqtt"),
        (config(transport="onnx"), r"`transport` is 'onnx': expected one of mqtt"),
        (config(broker={"prot": 1}), r"`broker\.prot` is not a known key"),
        (config(topics={"events": ["a/#/b"]}), r"`topics\.events\[0\]` is 'a/#/b'"),
    ):
        with pytest.raises(ConfigError, match=message):
            main.check(wrong)
    assert make_transport(config()).connected is False


def test_memory_is_told_in_bytes() -> None:
    assert 5e6 < resident_bytes() < 5e10
