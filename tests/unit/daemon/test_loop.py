"""Turns of the daemon, with a fake transport, clock and export."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from edgedescent.config import Config, convert
from edgedescent.daemon.loop import DRAIN_S, Stopped
from edgedescent.daemon.notices import Notices
from edgedescent.daemon.reports import resident_bytes
from edgedescent.daemon.status import StatusFile
from edgedescent.engine.messages import Effect, Message
from edgedescent.errors import ConfigError, StateError
from edgedescent.interfaces import Delivery
from edgedescent.state.disk import Disk
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from support.daemon_harness import MakeHarness, event

# --- A turn -----------------------------------------------------------------------------------------------------------


def test_what_arrives_is_answered_at_once_and_acknowledged_when_it_is_durable(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1), event(2))
    assert harness.learned == 2
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e1", "e2"]
    assert harness.history == harness.transport.acknowledged == []
    harness.wait(1.0)
    assert harness.history == ["append", "acknowledge"]
    assert harness.transport.acknowledged == [event(1), event(2)]
    assert [message.payload for message in harness.store.read(0)] == [event(1), event(2)]


def test_what_a_message_came_with_is_journaled(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(Delivery("edgedescent/pump/events", event(1), 77, 1, duplicate=True))
    harness.wait(1.0)
    (message,) = harness.store.read(0)
    assert (message.packet_id, message.duplicate, message.topic) == (77, True, "edgedescent/pump/events")
    assert 0 <= harness.clock.time() - 1.0 - message.received_at < 0.001


def test_the_next_process_goes_on_behind_the_last_packet_id_whatever_was_sent_again(make: MakeHarness) -> None:
    harness = make().recover()
    assert harness.transport.last_packet_id == 0
    topic = "edgedescent/pump/events"
    harness.receive(*(Delivery(topic, event(i), 310 + i, 1) for i in range(4)))
    harness.wait(1.0)
    harness.restart()
    assert harness.recover().transport.last_packet_id == 313
    assert harness.transport.packet_ids == [310, 311, 312, 313]
    # Over two commits, and interrupted before the last one came again.
    harness.receive(Delivery(topic, event(0), 310, 1, duplicate=True))
    harness.wait(1.0)
    harness.receive(
        Delivery(topic, event(1), 311, 1, duplicate=True), Delivery(topic, event(2), 312, 1, duplicate=True)
    )
    harness.wait(1.0)
    harness.restart()
    assert harness.recover().transport.last_packet_id == 313


def test_what_cannot_be_made_durable_is_not_acknowledged_and_ends_the_daemon(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.wait(1.0)
    harness.receive(event(2))
    harness.store.fault = StateError("The disk fails.")
    harness.clock.now += 1.0
    with pytest.raises(StateError, match="fails"):
        harness.daemon.run()
    assert harness.transport.acknowledged == [event(1)]
    assert harness.job.stopped
    # Without a DISCONNECT, so that the broker publishes the last will.
    assert not harness.transport.closed


def test_an_empty_turn_writes_nothing(make: MakeHarness) -> None:
    harness = make().recover()
    for _ in range(5):
        harness.wait(10.0)
    assert harness.history == []


# --- Letters and answers ----------------------------------------------------------------------------------------------


def test_a_feature_that_never_repeats_is_said_once_and_shown(
    make: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make().recover()
    for first in range(0, 1200, 100):
        stamped = [{"x": {"at": f"t{first + i}", "temp": i}, "y": i} for i in range(100)]
        harness.receive(json.dumps(stamped).encode())
    for _ in range(3):
        harness.wait(10.0)
    said = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(said) == 1
    assert "'at'" in said[0]
    assert "learner.categories" in said[0]
    metrics = harness.transport.of("metrics")[-1]
    assert (metrics["features_left_out"], metrics["categories_left_out"]) == (1, 1200 - 1024)
    status = json.loads((Path(harness.store.path).parent / "status.json").read_bytes())
    assert status["left_out"] == ["at"]


def test_an_absurd_label_is_said_and_leaves_the_errors_as_they_are(
    make: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make().recover()
    for label in range(100):
        harness.receive(json.dumps({"x": {"a": 1.0}, "y": label % 7}).encode())
    harness.receive(b'{"x": {"a": 1.0}, "y": 4e4}')
    harness.wait(10.0)
    harness.wait(10.0)
    metrics = harness.transport.of("metrics")[-1]
    assert metrics["targets_unscored"] == 1
    assert metrics.get("dead_letters.quarantined", 0) == 0
    assert metrics["mae"] < 10
    assert metrics["mae_recent"] < 10
    assert len([record for record in caplog.records if "reported errors" in record.getMessage()]) == 1


@pytest.mark.parametrize(("reused_ids", "fate"), [("learn", "learned"), ("drop", "dropped")])
def test_ids_that_come_again_with_another_content_are_said_when_there_are_twice_as_many(
    make: MakeHarness, caplog: pytest.LogCaptureFixture, reused_ids: str, fate: str
) -> None:
    def said() -> list[str]:
        return [one.getMessage() for one in caplog.records if "`limits.reused_ids`" in one.getMessage()]

    harness = make(limits={"reused_ids": reused_ids}).recover()
    for life in range(8):
        harness.receive(json.dumps({"id": "e1", "x": {"a": 1.0}, "y": life}).encode())
        harness.wait(10.0)
    assert harness.transport.of("metrics")[-1]["ids_reused"] == 7
    assert [text.split()[0] for text in said()] == ["1", "3", "7"]
    assert all(f"The latest is 'e1' on 'edgedescent/pump/events'. They are {fate};" in text for text in said())
    caplog.clear()
    harness.store.close()
    harness.restart()
    harness.recover().wait(10.0)
    assert [text.split()[0] for text in said()] == ["7"]
    # The latest is not part of a checkpoint.
    caplog.clear()
    engine = harness.config.build_engine()
    engine.load_state_dict(harness.daemon.engine.state_dict())
    Notices(harness.config.limits).check(engine)
    assert [text.partition(".")[2][:9] for text in said()] == [" They are"]


def test_a_quarantine_is_said_shown_and_lifted(make: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    def send(label: float, n: int) -> None:
        for first in range(0, n, 50):
            batch = [{"x": {"a": 1.0}, "y": label + i % 7} for i in range(first, min(first + 50, n))]
            harness.receive(json.dumps(batch).encode())

    def said(words: str) -> int:
        return sum(words in record.getMessage() for record in caplog.records)

    harness = make().recover()
    send(1.0, 100)
    send(1e6, 300)
    for _ in range(3):
        harness.wait(10.0)
    metrics = harness.transport.of("metrics")[-1]
    assert (metrics["dead_letters.quarantined"], metrics["quarantines_lifted"]) == (300, 0)
    assert metrics["mae"] < 10
    assert said("300 events so far are quarantined") == 1
    assert "dead_letters.quarantined" in json.loads((Path(harness.store.path).parent / "status.json").read_bytes())
    assert {letter.reason for letter in harness.store.dead_letters()} == {"quarantined"}
    send(1e6, 250)
    harness.wait(10.0)
    metrics = harness.transport.of("metrics")[-1]
    assert (metrics["dead_letters.quarantined"], metrics["quarantines_lifted"]) == (500, 1)
    assert metrics["events_learned"] == 150
    assert said("the stream must have changed") == 1


def test_recovery_quarantines_what_was_quarantined(make: MakeHarness) -> None:
    harness = make().recover()
    for label in range(50):
        harness.receive(json.dumps({"x": {"a": 1.0}, "y": label % 7}).encode())
    harness.receive(b'{"x": {"a": 1.0}, "y": 1e6}')
    harness.wait(1.0)
    # The messages that are processed again are those of before, whatever holds from now on.
    after = make(limits={"quarantine": False}).recover()
    assert after.learned == 50
    after.receive(b'{"x": {"a": 1.0}, "y": 1e6}')
    assert after.learned == 51


def test_dead_letters_are_kept_and_counted(make: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness = make().recover()
    harness.receive(b"garbage", event(1), b'{"x": {"a": 1e999}, "y": 1}')
    assert (harness.learned, harness.daemon.engine.counters["dead_letters"]) == (1, 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert harness.store.dead_letters() == []
    harness.wait(1.0)
    assert [letter.reason for letter in harness.store.dead_letters()] == ["out_of_range", "malformed"]


def test_answers_without_a_connection_wait_for_one(make: MakeHarness) -> None:
    harness = make(limits={"answers_bytes_max": 600}).recover()
    harness.transport.connected = False
    harness.receive(event(1), event(2), event(3))
    metrics = harness.daemon.metrics()
    # The oldest make room.
    assert (metrics["answers_waiting"], metrics["answers_dropped"]) == (2, 1)
    # The metrics themselves are no answers.
    harness.wait(100)
    assert harness.daemon.metrics()["answers_dropped"] == 1
    harness.transport.connected = True
    harness.receive(event(4))
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e2", "e3", "e4"]
    assert harness.daemon.metrics()["answers_waiting"] == 0


def test_where_no_answer_may_wait_all_are_dropped_and_counted(make: MakeHarness) -> None:
    harness = make(limits={"answers_bytes_max": 0}).recover()
    harness.transport.connected = False
    harness.receive(event(1), event(2), event(3))
    assert harness.daemon.metrics()["answers_dropped"] == 3


# --- Stopping ---------------------------------------------------------------------------------------------------------


def test_it_runs_until_it_is_stopped_and_saves_everything(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    harness.transport.arriving = [[event(1)], [], [event(2)]]
    turns = 0
    turn = harness.daemon.turn

    def counted(timeout_s: float) -> None:
        nonlocal turns
        turns += 1
        turn(timeout_s)
        if turns == 3:
            harness.daemon.stop()

    monkeypatch.setattr(harness.daemon, "turn", counted)
    harness.daemon.run()
    assert turns == 3
    assert harness.transport.closed
    assert harness.job.stopped
    assert harness.history[-1] == "checkpoint"
    harness.restart()
    assert harness.recover().learned == 2


def stop_at(harness: Any, monkeypatch: pytest.MonkeyPatch, name: str, *, after_s: float = 0.0) -> None:
    """Ask the daemon to stop while it learns the event of that name, and let time pass."""
    engine = harness.daemon.engine
    begin = engine.begin

    def stopping(message: Message, events_max: int) -> list[Effect] | None:
        if f'"{name}"'.encode() in message.payload:
            harness.daemon.stop()
            harness.clock.now += after_s
        return begin(message, events_max)  # type: ignore[no-any-return]

    monkeypatch.setattr(engine, "begin", stopping)


def test_a_stop_waits_for_a_moment_at_which_nothing_is_under_way(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make().recover()
    stop_at(harness, monkeypatch, "e2")
    first = [event(i) for i in range(1, 6)]
    harness.transport.arriving = [
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
    harness.daemon.run()
    assert harness.learned == 9
    assert harness.transport.acknowledged == [event(i) for i in range(1, 10)]
    assert harness.history[-3:] == ["append", "acknowledge", "checkpoint"]
    # What comes after a moment in which nothing does, is left to the broker.
    assert harness.transport.arriving == [[], [event(10)]]


def test_a_stop_under_load_keeps_to_the_distance_between_checkpoints(make: MakeHarness) -> None:
    harness = make(state={"checkpoint_events": 10}).recover()
    harness.transport.arriving = [[event(i)] if i % 4 else [] for i in range(1, 100)]
    harness.daemon.stop()
    harness.daemon.run()
    # Three events come between two moments of quiet.
    assert harness.history.count("checkpoint") >= harness.learned // 13 > 4


def test_a_stop_under_a_load_that_never_ends_comes_in_time(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    poll = harness.transport.poll

    def passing(timeout_s: float, *, take: bool = True) -> Any:
        harness.clock.now += 0.1
        harness.transport.arriving.append([event(harness.transport.packet_id + 1)])
        return poll(timeout_s, take=take)

    monkeypatch.setattr(harness.transport, "poll", passing)
    harness.daemon.stop()
    harness.daemon.run()
    assert 10 < harness.learned < 30
    assert len(harness.transport.acknowledged) == harness.transport.packet_id
    count = len(harness.transport.acknowledged)
    harness.restart()
    assert harness.recover().learned == count


def test_a_stop_in_the_middle_of_too_many_messages_leaves_the_rest_to_the_next_start(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make().recover()
    stop_at(harness, monkeypatch, "e2", after_s=DRAIN_S)
    harness.transport.arriving.append([event(i) for i in range(1, 6)])
    harness.daemon.run()
    # Nothing that was taken in is sent again.
    assert harness.transport.acknowledged == [event(i) for i in range(1, 6)]
    assert harness.learned == 2
    harness.restart()
    harness.recover()
    assert harness.learned == 5
    harness.receive()
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e3", "e4", "e5"]


@pytest.mark.parametrize(("count", "waits"), [(400, False), (600, True)])
def test_after_many_were_acknowledged_a_stop_waits_for_those_in_their_place(
    make: MakeHarness, count: int, waits: bool
) -> None:
    harness = make().recover()
    harness.transport.arriving = [[event(i) for i in range(1, count)]]
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.learned == count - 1
    assert (harness.transport.waited_s > 0) == waits


def test_a_stop_during_recovery_is_heeded(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(*(event(i) for i in range(100)))
    harness.wait(1.0)
    harness.store.close()
    harness.restart()
    harness.daemon.stop()
    with pytest.raises(Stopped):
        harness.daemon.recover()
    harness.store.close()
    harness.restart()
    assert harness.recover().learned == 100


# --- Recovery ---------------------------------------------------------------------------------------------------------


def test_what_was_learned_and_not_committed_is_as_if_it_had_never_come(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.wait(1.0)
    harness.receive(event(2))
    harness.store.close()
    harness.restart()
    harness.recover()
    assert harness.learned == 1
    # The broker received no acknowledgement and sends it again.
    harness.receive(Delivery("edgedescent/pump/events", event(2), 2, 1, duplicate=True))
    assert harness.learned == 2
    # What is sent again is answered once it is acknowledged: if the answer ended the connection, it would again.
    assert harness.transport.of("predictions") == []
    harness.wait(1.0)
    harness.receive()
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e2"]


def test_answers_that_may_not_have_gone_out_before_a_crash_are_sent_once_there_is_a_connection(
    make: MakeHarness,
) -> None:
    harness = make(state={"commit_messages": 2}).recover()
    harness.receive(event(1))
    harness.receive(event(2))
    assert harness.history == ["append", "acknowledge"]
    harness.store.close()
    harness.restart()
    harness.recover()
    harness.transport.connected = False
    harness.receive()
    assert harness.transport.published == []
    harness.transport.connected = True
    harness.receive(event(3))
    # That of the first turn was out before the second began.
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e2", "e3"]
    harness.receive()
    assert len(harness.transport.of("predictions")) == 2


def test_an_answer_that_waited_is_sent_again_if_no_poll_wrote_it_before_a_crash(make: MakeHarness) -> None:
    harness = make(state={"commit_messages": 1}).recover()
    # The answer waits for the acknowledgement, which comes at the end of this turn.
    harness.receive(Delivery("edgedescent/pump/events", event(1), 1, 1, duplicate=True))
    # It is published behind the poll, and the next message is committed in the same turn.
    harness.receive(event(2))
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e1", "e2"]
    harness.store.close()
    harness.restart()
    harness.recover().receive()
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e1", "e2"]


def test_answers_that_waited_for_a_connection_are_sent_after_a_crash(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.transport.connected = False
    harness.receive(event(2))
    harness.receive(event(3))
    harness.wait(1.0)
    harness.store.close()
    harness.restart()
    harness.recover().receive()
    assert [answer["id"] for answer in harness.transport.of("predictions")] == ["e2", "e3"]


def test_what_was_run_again_is_saved_at_once(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1), event(2))
    harness.wait(1.0)
    harness.store.close()
    harness.restart()
    harness.recover()
    assert harness.history == ["checkpoint"]
    assert [checkpoint.position for checkpoint in harness.store.checkpoints()] == [2]


def test_a_new_device_saves_nothing_before_it_has_learned(make: MakeHarness) -> None:
    assert make().recover().history == []


# --- By the clock -----------------------------------------------------------------------------------------------------


def test_checkpoints_come_by_events_and_once_they_are_worth_it(make: MakeHarness) -> None:
    harness = make(state={"checkpoint_events": 3, "checkpoint_interval_s": 60.0}).recover()
    harness.receive(event(1), event(2))
    assert "checkpoint" not in harness.history
    harness.receive(event(3))
    assert harness.history.count("checkpoint") == 1
    harness.receive(event(4))
    assert harness.history.count("checkpoint") == 1
    harness.wait(600)
    assert harness.history.count("checkpoint") == 1
    harness.wait(86_400)
    assert harness.history.count("checkpoint") == 2
    harness.wait(10 * 86_400)
    assert harness.history.count("checkpoint") == 2
    assert recover(harness.config, Store(harness.config.state.path, read_only=True)).position == 4


def test_metrics_come_at_their_interval(make: MakeHarness, tmp_path: Path) -> None:
    harness = make(metrics={"interval_s": 10.0}).recover()
    harness.receive(event(1))
    harness.receive(event(2))
    assert len(harness.transport.of("metrics")) == 1
    harness.clock.now += 10
    harness.receive(event(3))
    first, second = harness.transport.of("metrics")
    assert "events_per_second" not in first
    assert second["events_per_second"] == 0.2
    assert second["device"] == "pump"
    assert second["memory_bytes"] > 1e6
    status = json.loads((tmp_path / "state" / "status.json").read_bytes())
    assert status["connected"] is True
    assert status["events_learned"] == 3


def test_a_status_that_cannot_be_written_is_logged_once_while_it_lasts(
    make: MakeHarness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make(metrics={"interval_s": 1.0}).recover()
    harness.daemon._reports._status = StatusFile(tmp_path / "missing")
    for _ in range(3):
        harness.clock.now += 1
        harness.receive()
    (tmp_path / "missing").mkdir()
    harness.clock.now += 1
    harness.receive()
    assert (tmp_path / "missing" / "status.json").exists()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(harness.transport.of("metrics")) == 4


# --- Snapshots --------------------------------------------------------------------------------------------------------


def test_snapshots_come_by_events(make: MakeHarness) -> None:
    harness = make(snapshots={"every_events": 2}).recover()
    harness.receive(event(1))
    assert harness.job.started == 0
    harness.receive(event(2), event(3))
    assert harness.job.started == 1
    # The child process reads the state file: what it is to export must be there.
    assert harness.history[-1] == "checkpoint"
    harness.receive(event(4), event(5))
    assert harness.job.started == 1, "one at a time"
    harness.job.card = {"position": 3}
    harness.receive()
    harness.receive()
    assert harness.job.started == 2


def test_snapshots_come_by_time(make: MakeHarness) -> None:
    harness = make(snapshots={"every_s": 60.0}).recover()
    harness.receive(event(1))
    harness.clock.now += 59
    harness.receive()
    assert harness.job.started == 0
    harness.clock.now += 1
    harness.receive()
    assert harness.job.started == 1


def test_snapshots_come_on_request_also_while_another_is_made(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.clock.now += 1e6
    harness.receive()
    assert harness.job.started == 0
    harness.daemon.request_snapshot()
    harness.receive()
    assert harness.job.started == 1
    harness.daemon.request_snapshot()
    harness.receive()
    assert harness.job.started == 1
    harness.job.card = {"position": 1}
    harness.receive()
    harness.receive()
    assert harness.job.started == 2


def test_a_card_waits_for_a_connection_and_is_retained(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.transport.connected = False
    harness.job.card = {"position": 1}
    harness.receive()
    harness.receive()
    assert harness.transport.of("snapshots") == []
    harness.transport.connected = True
    harness.receive()
    harness.receive()
    assert harness.transport.of("snapshots") == [{"position": 1}]
    assert [retain for topic, _, retain in harness.transport.published if topic.endswith("snapshots")] == [True]


# --- Around it --------------------------------------------------------------------------------------------------------


def test_a_wrong_transport_or_table_is_named() -> None:
    def config(**tables: Any) -> Config:
        return convert({"device": "pump", "learner": {"type": "LinearRegressor"}, **tables}, Config)

    config().build_transport()
    for wrong, message in (
        (config(transport="mqqt"), r"`transport` is 'mqqt': expected one of mqtt"),
        (config(transport="onnx"), r"`transport` is 'onnx': expected one of mqtt"),
        (config(broker={"prot": 1}), r"`broker\.prot` is not a known key"),
        (config(topics={"events": ["a/#/b"]}), r"`topics\.events\[0\]` is 'a/#/b'"),
    ):
        with pytest.raises(ConfigError, match=message):
            wrong.build_transport()
    assert config().build_transport().connected is False


def test_memory_is_reported_in_bytes() -> None:
    assert 5e6 < (resident_bytes() or 0) < 5e10


def test_what_the_kernel_tells_needs_no_free_descriptor(tmp_path: Path) -> None:
    before = resident_bytes(), Disk().written_bytes()
    assert None not in before
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            (tmp_path / "file").open("w")
        after = resident_bytes(), Disk().written_bytes()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert None not in after


def test_changed_limits_do_not_learn_what_was_a_dead_letter(make: MakeHarness) -> None:
    array = json.dumps([{"id": f"e{i}", "x": {"a": i}, "y": i} for i in range(10)]).encode()
    harness = make(limits={"events_per_message_max": 5}).recover()
    harness.receive(array)
    harness.wait(5.0)
    assert (harness.learned, len(harness.store.dead_letters())) == (0, 1)
    # As after kill -9.
    after = make(limits={"events_per_message_max": 50}).recover()
    assert after.learned == 0
    after.receive(array)
    assert after.learned == 10
    after.wait(5.0)
    assert make(limits={"events_per_message_max": 5}).recover().learned == 10
