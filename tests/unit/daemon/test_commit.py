"""When what was learned is committed, and what happens where that cannot be: a full disk, a day's writes used up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edgedescent.errors import DiskFullError, StateError
from edgedescent.interfaces import Delivery
from edgedescent.state.checkpoints import CheckpointParts
from edgedescent.state.lock import FolderLock
from edgedescent.state.store import FILE, Store
from support.daemon_harness import DaemonHarness, MakeHarness, event
from support.state_folder import bits

# --- When it commits --------------------------------------------------------------------------------------------------


def test_messages_wait_for_others_but_not_long(make: MakeHarness) -> None:
    harness = make(state={"commit_interval_s": 2.0}).recover()
    harness.receive(event(1))
    assert harness.transport.waited_s == 0.0
    harness.daemon.turn(9.0)
    assert harness.transport.waited_s == 2.0, "it is awake when the commit is due"
    harness.clock.now += 1.9
    harness.receive(event(2))
    assert harness.history == []
    harness.wait(0.1)
    assert harness.history == ["append", "acknowledge"]
    assert harness.daemon.metrics()["commits"] == 1


def test_it_commits_when_half_of_what_the_broker_sends_ahead_has_come_and_no_more_is_there(make: MakeHarness) -> None:
    harness = make().recover()
    harness.receive(*(event(i) for i in range(499)))
    harness.receive()
    assert harness.history == []
    assert harness.daemon.metrics()["messages_uncommitted"] == 499
    harness.receive(event(499))
    assert harness.history == []
    harness.daemon.turn(9.0)
    assert harness.transport.waited_s == 0.0
    assert harness.history == ["append", "acknowledge"]
    harness.receive(*(event(i) for i in range(500, 500 + 875)))
    assert harness.history == ["append", "acknowledge"] * 2


@pytest.mark.parametrize(
    ("state", "count"), [({"commit_messages": 10}, 10), ({"commit_bytes": 400}, 400 // len(event(1)) + 1)]
)
def test_it_commits_when_there_are_enough(make: MakeHarness, state: dict[str, int], count: int) -> None:
    harness = make(state=state).recover()
    for i in range(1, count + 1):
        assert harness.history == []
        harness.receive(event(1))
        assert i <= count
    assert harness.history == ["append", "acknowledge"]


def test_what_the_broker_cannot_send_again_is_committed_as_soon_as_there_is_quiet(make: MakeHarness) -> None:
    harness = make()
    harness.transport.qos, harness.transport.window = 0, None
    harness.recover()
    for i in range(5):
        harness.receive(event(i))
    assert harness.history == []
    harness.receive()
    assert harness.history == ["append", "acknowledge"]


def test_a_commit_comes_before_each_checkpoint(make: MakeHarness) -> None:
    harness = make(state={"checkpoint_events": 3}).recover()
    harness.receive(event(1), event(2), event(3))
    assert harness.history == ["append", "acknowledge", "checkpoint"]


# --- Large checkpoints ------------------------------------------------------------------------------------------------


def in_pieces(make: MakeHarness, **tables: Any) -> DaemonHarness:
    """A daemon whose checkpoints take several turns; the first one is due after 2 messages."""
    # Without what watches for drift, the state is small.
    quiet = {"drift": {"enabled": False}}
    harness = make(**{"state": {"checkpoint_events": 2, "commit_messages": 1}, **quiet, **tables}).recover()
    harness.store.piece_bytes = 50
    harness.receive(event(1))
    return harness


def test_a_large_checkpoint_is_written_between_the_turns(make: MakeHarness) -> None:
    harness = in_pieces(make)
    for number in range(2, 5):
        harness.receive(event(number))
        # Each message is committed and answered before the checkpoint is complete.
        assert harness.transport.acknowledged[-1] == event(number)
    assert harness.history.count("checkpoint") == 1
    assert harness.daemon.metrics()["checkpoints"] == 0
    turns = 0
    while not harness.daemon.metrics()["checkpoints"]:
        harness.daemon.turn(9.0)
        assert harness.transport.waited_s == 0.0, "it goes on at once while there is nothing else to do"
        turns += 1
    assert turns > 3
    (checkpoint,) = harness.store.checkpoints()
    assert checkpoint.position == 2
    # What came meanwhile is in the journal behind it.
    before = bits(harness.daemon.engine)
    harness.restart()
    assert bits(harness.recover().daemon.engine) == before


def test_a_crash_while_one_is_written_costs_nothing(make: MakeHarness) -> None:
    harness = in_pieces(make)
    for number in range(2, 9):
        harness.receive(event(number))
        before = bits(harness.daemon.engine)
        harness.restart()
        harness.store.piece_bytes = 200
        assert bits(harness.recover().daemon.engine) == before
        assert harness.daemon.metrics()["checkpoints"] == 0


def test_a_stop_while_one_is_written_saves_everything(make: MakeHarness) -> None:
    harness = in_pieces(make)
    for number in (2, 3, 4):
        harness.receive(event(number))
    before = bits(harness.daemon.engine)
    harness.daemon.stop()
    harness.daemon.run()
    harness.restart()
    assert next(harness.store.checkpoints()).position == 4
    assert bits(harness.recover().daemon.engine) == before
    while harness.store.has_unused_parts:
        harness.receive()
    assert bits(harness.daemon.engine) == before


def test_a_stop_finishes_one_that_is_current(make: MakeHarness) -> None:
    harness = in_pieces(make)
    harness.receive(event(2))
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.history.count("checkpoint") == 1
    harness.restart()
    assert next(harness.store.checkpoints()).position == 2


def test_an_export_waits_for_one_but_not_for_another_under_load(make: MakeHarness) -> None:
    harness = in_pieces(make)
    harness.receive(event(2))
    harness.receive(event(3))
    harness.daemon.request_snapshot()
    number = 3
    while not harness.job.started:
        number += 1
        harness.receive(event(number))
        assert number < 500
    # The first one was under way when it was asked for, and too old.
    assert harness.daemon.metrics()["checkpoints"] == 2
    assert next(harness.store.checkpoints()).position >= 3
    assert harness.history.count("checkpoint") == 2


def with_no_room_for_a_checkpoint(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> DaemonHarness:
    """A daemon whose disk is full from the first piece of a checkpoint on."""
    harness = in_pieces(make)
    harness.receive(event(2))

    def fail(*_: Any) -> None:
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(CheckpointParts, "write", fail)
    harness.receive()
    return harness


def test_a_large_checkpoint_waits_for_a_full_disk(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = with_no_room_for_a_checkpoint(make, monkeypatch)
    assert harness.daemon.state == "disk_full"
    harness.wait(1.0)
    assert harness.daemon.state == "disk_full"
    monkeypatch.undo()
    harness.wait(1.0)
    assert harness.daemon.state == "online"
    while not harness.daemon.metrics()["checkpoints"]:
        harness.receive()
    assert harness.history.count("checkpoint") == 1
    assert [one.position for one in harness.store.checkpoints()] == [2]


def test_one_that_was_begun_is_completed_when_the_budget_is_spent(make: MakeHarness) -> None:
    harness = in_pieces(make, state={"checkpoint_events": 2, "commit_messages": 1, "written_bytes_per_day_max": 10**8})
    harness.receive(event(2))
    harness.store.written += 2 * 10**8
    for number in range(3, 200):
        harness.receive(event(number))
    assert harness.daemon.state == "writes_spent"
    assert harness.daemon.metrics()["checkpoints"] == 1
    assert harness.transport.acknowledged == [event(1), event(2)]


# --- A full disk ------------------------------------------------------------------------------------------------------


def test_on_a_full_disk_everything_waits_and_nothing_is_lost(
    make: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.store.fault = DiskFullError("There is no room.", "Make some.")
    harness.transport.arriving.append([event(2)])
    harness.wait(1.0)
    assert (harness.daemon.state, harness.transport.acknowledged) == ("disk_full", [])
    for _ in range(5):
        harness.wait(1.0)
        assert not harness.transport.taking
    assert harness.learned == 2
    assert harness.daemon.metrics()["state"] == "disk_full"
    assert harness.daemon.metrics()["disk_full"] == 1
    assert [record.getMessage() for record in caplog.records] == [
        "There is no room. Make some. Until then no messages are received."
    ]
    harness.store.fault = None
    harness.transport.arriving.append([event(3)])
    harness.wait(1.0)
    assert harness.daemon.state == "online"
    assert harness.transport.acknowledged == [event(1), event(2)]
    harness.receive()
    assert harness.learned == 3
    harness.wait(1.0)
    assert harness.transport.acknowledged == [event(1), event(2), event(3)]
    assert harness.daemon.metrics()["disk_full"] == 1


def test_a_full_disk_is_tried_again_after_a_pause(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    tries = []

    def fail(*_: Any, **__: Any) -> None:
        tries.append(harness.clock.now)
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(harness.store, "append", fail)
    harness.receive(event(1))
    for _ in range(50):
        harness.wait(0.1)
    assert 4 <= len(tries) <= 6


def test_a_checkpoint_that_has_no_room_waits_too(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make(state={"checkpoint_events": 2}).recover()

    def fail(*_: Any) -> None:
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(Store, "begin_checkpoint", fail)
    harness.receive(event(1), event(2))
    # What is durable is acknowledged; more would need a longer journal.
    assert harness.transport.acknowledged == [event(1), event(2)]
    assert harness.daemon.state == "disk_full"
    monkeypatch.undo()
    harness.wait(1.0)
    assert harness.daemon.state == "online"
    assert harness.history[-1] == "checkpoint"


def test_a_stop_on_a_full_disk_leaves_the_rest_to_the_broker(
    make: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness = make().recover()
    harness.receive(event(1), b"garbage")
    harness.store.fault = DiskFullError("There is no room.")
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.transport.closed
    assert harness.transport.acknowledged == []
    assert "The last 2 messages stay with the broker." in caplog.text
    harness.restart()
    harness.recover()
    assert harness.learned == 0
    assert harness.store.dead_letters() == []


def test_a_stop_ends_where_the_disk_was_full_for_a_checkpoint_and_messages_have_no_position(
    make: MakeHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    harness = with_no_room_for_a_checkpoint(make, monkeypatch)
    assert (harness.daemon.state, harness.daemon.uncommitted) == ("disk_full", 0)
    # They had arrived before the disk was full.
    acknowledged = list(harness.transport.acknowledged)
    harness.daemon._receiver.add([Delivery("edgedescent/pump/events", event(3), 3, 1)])
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.transport.closed
    assert harness.transport.acknowledged == acknowledged
    assert "The disk was full: the last 1 messages stay with the broker." in caplog.text


def test_a_full_disk_at_the_start_is_waited_out(make: MakeHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = make().recover()
    harness.receive(event(1))
    harness.wait(1.0)
    harness.store.close()
    harness.restart()

    def fail(*_: Any) -> None:
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(Store, "begin_checkpoint", fail)
    harness.recover()
    assert harness.daemon.state == "disk_full"
    monkeypatch.undo()
    harness.wait(1.0)
    assert (harness.daemon.state, harness.learned) == ("online", 1)


# --- What may be written ----------------------------------------------------------------------------------------------


def test_a_stop_costs_one_commit_where_a_day_s_writes_are_used_up(make: MakeHarness) -> None:
    harness = make(state={"written_bytes_per_day_max": 864_000 * 10}).recover()
    harness.receive(event(1))
    harness.store.written = 864_000 * 10 + 500
    harness.transport.arriving = [[event(2)], [], [event(3)]]
    harness.daemon.stop()
    harness.daemon.run()
    assert harness.history == ["append", "acknowledge", "checkpoint"]
    assert harness.transport.acknowledged == [event(1)]


def test_when_a_day_s_writes_are_used_up_commits_wait_and_then_the_broker(
    make: MakeHarness, caplog: pytest.LogCaptureFixture
) -> None:
    # 10 bytes a second, and a day's worth of them at once.
    harness = make(state={"written_bytes_per_day_max": 864_000 * 10, "commit_messages": 3}).recover()
    harness.store.written = 864_000 * 10 + 500
    harness.receive(event(1))
    harness.wait(1.0)
    assert (harness.daemon.state, harness.history) == ("writes_spent", [])
    # What fits into memory is still learned.
    harness.receive(event(2), event(3))
    assert harness.learned == 3
    assert harness.transport.taking
    harness.receive(event(4))
    assert not harness.transport.taking
    for _ in range(3):
        harness.wait(1.0)
    assert harness.learned == 3
    assert sum("is used up" in record.getMessage() for record in caplog.records) == 1
    assert harness.daemon.metrics()["writes_spent"] == 1
    harness.wait(1.0)
    assert harness.history == ["append", "acknowledge"]
    harness.receive()
    assert harness.learned == 4
    # It is logged once, until enough is left again.
    harness.store.written += 1000
    harness.wait(1.0)
    assert harness.daemon.metrics()["writes_spent"] == 1
    harness.wait(20_000.0)
    harness.receive(event(5))
    harness.wait(1.0)
    assert harness.daemon.state == "online"


def test_what_may_be_written_survives_a_restart(make: MakeHarness) -> None:
    per_day = 864_000 * 10
    harness = make(state={"written_bytes_per_day_max": per_day}).recover()
    harness.store.written = per_day - 100
    harness.receive(event(1))
    harness.wait(1.0)
    assert harness.history == ["append", "acknowledge"]
    harness.store.close()
    harness.restart()
    harness.recover()
    harness.store.written = 500
    harness.receive(event(2))
    harness.wait(1.0)
    assert harness.daemon.state == "writes_spent"


def test_what_is_written_until_the_end_counts_after_a_restart(make: MakeHarness) -> None:
    per_day = 864_000 * 10
    harness = make(state={"written_bytes_per_day_max": per_day}).recover()
    harness.receive(event(1))
    harness.store.written = per_day + 1000
    # Nothing was due since: it is the stop that takes account of it.
    harness.daemon.stop()
    harness.daemon.run()
    harness.restart()
    assert harness.recover().daemon.metrics()["written_bytes_left"] == -1000


def test_the_rate_of_writing_is_reported(make: MakeHarness) -> None:
    harness = make().recover()
    harness.store.written = 86_400
    harness.clock.now += 86_400 / 4
    assert harness.daemon.metrics()["written_bytes_per_day"] == 4 * 86_400
    assert harness.daemon.metrics()["written_bytes"] == 86_400


def test_uncountable_writes_are_logged_once(make: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    harness = make()
    harness.store.written = None  # type: ignore[assignment]
    harness.recover()
    for i in range(3):
        harness.receive(event(i))
        harness.wait(1.0)
    assert harness.history.count("append") == 3
    assert caplog.text.count("neither bounded nor reported") == 1


def test_a_redelivery_window_that_is_too_small_is_logged(make: MakeHarness, caplog: pytest.LogCaptureFixture) -> None:
    make(limits={"redelivery_window": 999}).recover()
    assert "`limits.redelivery_window` is 999" in caplog.text
    caplog.clear()
    make(limits={"redelivery_window": 1000}).recover()
    assert caplog.text == ""


# --- Files that disappear ---------------------------------------------------------------------------------------------


def delete_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def move_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replace_folder(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("copy"))
    shutil.rmtree(folder)
    folder.with_name("copy").rename(folder)


def delete_only(name: str) -> Callable[[Path], None]:
    def delete(folder: Path) -> None:
        (folder / name).unlink()

    return delete


LOSSES = [delete_folder, move_folder, replace_folder, *map(delete_only, (FILE, f"{FILE}-wal", f"{FILE}-shm", "lock"))]


@pytest.fixture
def in_use(make: MakeHarness, tmp_path: Path) -> Iterator[DaemonHarness]:
    """A daemon with one committed message, whose folder is locked as `edgedescent run` locks it."""
    with FolderLock(tmp_path / "state"):
        harness = make().recover()
        harness.receive(event(1))
        harness.wait(5.0)
        assert harness.transport.acknowledged == [event(1)]
        yield harness
        with suppress(StateError):
            harness.store.close()


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_is_acknowledged_into_deleted_files(in_use: DaemonHarness, lose: Callable[[Path], None]) -> None:
    lose(Path(in_use.config.state.path))
    in_use.receive(event(2))
    with pytest.raises(StateError, match="was deleted, moved or replaced while it was in use"):
        in_use.wait(5.0)
    assert in_use.transport.acknowledged == [event(1)]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_stop_does_not_claim_that_deleted_files_are_saved(
    in_use: DaemonHarness, lose: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    lose(Path(in_use.config.state.path))
    with pytest.raises(StateError, match="was deleted, moved or replaced"):
        in_use.daemon.close()
    assert "everything saved" not in caplog.text


def test_a_deleted_folder_is_noticed_without_messages_too(in_use: DaemonHarness) -> None:
    shutil.rmtree(in_use.config.state.path)
    with pytest.raises(StateError, match=f"was deleted, moved or replaced .*{FILE}, {FILE}-wal"):
        in_use.wait(in_use.config.metrics.interval_s + 1)
