"""When what was learned is committed, and what happens where that cannot be: a full disk, a day's writes used up."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import Make, event

from edgedescent.errors import DiskFullError
from edgedescent.state.store import Store

# --- When it commits --------------------------------------------------------------------------------------------------


def test_messages_wait_for_others_but_not_long(make: Make) -> None:
    world = make(state={"commit_interval_s": 2.0}).recover()
    world.receive(event(1))
    assert world.transport.waited_s == 0.0
    world.daemon.turn(9.0)
    assert world.transport.waited_s == 2.0, "it is awake when the commit is due"
    world.clock.now += 1.9
    world.receive(event(2))
    assert world.history == []
    world.wait(0.1)
    assert world.history == ["append", "acknowledge"]
    assert world.daemon.metrics()["commits"] == 1


def test_it_commits_when_half_of_what_the_broker_sends_ahead_has_come_and_no_more_is_there(make: Make) -> None:
    world = make().recover()
    world.receive(*(event(i) for i in range(499)))
    world.receive()
    assert world.history == []
    assert world.daemon.metrics()["messages_uncommitted"] == 499
    world.receive(event(499))
    assert world.history == []
    world.daemon.turn(9.0)
    assert world.transport.waited_s == 0.0
    assert world.history == ["append", "acknowledge"]
    world.receive(*(event(i) for i in range(500, 500 + 875)))
    assert world.history == ["append", "acknowledge"] * 2


@pytest.mark.parametrize(
    ("state", "count"), [({"commit_messages": 10}, 10), ({"commit_bytes": 400}, 400 // len(event(1)) + 1)]
)
def test_it_commits_when_there_are_enough(make: Make, state: dict[str, int], count: int) -> None:
    world = make(state=state).recover()
    for i in range(1, count + 1):
        assert world.history == []
        world.receive(event(1))
        assert i <= count
    assert world.history == ["append", "acknowledge"]


def test_what_the_broker_cannot_send_again_is_committed_as_soon_as_there_is_quiet(make: Make) -> None:
    world = make()
    world.transport.qos, world.transport.window = 0, None
    world.recover()
    for i in range(5):
        world.receive(event(i))
    assert world.history == []
    world.receive()
    assert world.history == ["append", "acknowledge"]


def test_a_commit_comes_before_each_checkpoint(make: Make) -> None:
    world = make(state={"checkpoint_events": 3}).recover()
    world.receive(event(1), event(2), event(3))
    assert world.history == ["append", "acknowledge", "checkpoint"]


# --- A full disk ------------------------------------------------------------------------------------------------------


def test_on_a_full_disk_everything_waits_and_nothing_is_lost(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make().recover()
    world.receive(event(1))
    world.store.fault = DiskFullError("There is no room.", "Make some.")
    world.transport.arriving.append([event(2)])
    world.wait(1.0)
    assert (world.daemon.state, world.transport.acknowledged) == ("disk_full", [])
    for _ in range(5):
        world.wait(1.0)
        assert not world.transport.taking
    assert world.learned == 2
    assert world.daemon.metrics()["state"] == "disk_full"
    assert world.daemon.metrics()["disk_full"] == 1
    assert [record.getMessage() for record in caplog.records] == [
        "There is no room. Make some. Until then nothing is taken in."
    ]
    world.store.fault = None
    world.transport.arriving.append([event(3)])
    world.wait(1.0)
    assert world.daemon.state == "online"
    assert world.transport.acknowledged == [event(1), event(2)]
    world.receive()
    assert world.learned == 3
    world.wait(1.0)
    assert world.transport.acknowledged == [event(1), event(2), event(3)]
    assert world.daemon.metrics()["disk_full"] == 1


def test_a_full_disk_is_tried_again_after_a_pause(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make().recover()
    tries = []

    def fail(*_: Any, **__: Any) -> None:
        tries.append(world.clock.now)
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(world.store, "append", fail)
    world.receive(event(1))
    for _ in range(50):
        world.wait(0.1)
    assert 4 <= len(tries) <= 6


def test_a_checkpoint_that_has_no_room_waits_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make(state={"checkpoint_events": 2}).recover()

    def fail(*_: Any) -> None:
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(Store, "checkpoint", fail)
    world.receive(event(1), event(2))
    # What is durable is acknowledged; more would need a longer journal.
    assert world.transport.acknowledged == [event(1), event(2)]
    assert world.daemon.state == "disk_full"
    monkeypatch.undo()
    world.wait(1.0)
    assert world.daemon.state == "online"
    assert world.history[-1] == "checkpoint"


def test_a_stop_on_a_full_disk_leaves_the_rest_to_the_broker(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make().recover()
    world.receive(event(1), b"garbage")
    world.store.fault = DiskFullError("There is no room.")
    world.daemon.stop()
    world.daemon.run()
    assert world.transport.closed
    assert world.transport.acknowledged == []
    assert "The last 2 messages stay with the broker." in caplog.text
    world.restart()
    world.recover()
    assert world.learned == 0
    assert world.store.dead_letters() == []


def test_a_full_disk_at_the_start_is_waited_out(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make().recover()
    world.receive(event(1))
    world.wait(1.0)
    world.store.close()
    world.restart()

    def fail(*_: Any) -> None:
        raise DiskFullError("There is no room.")

    monkeypatch.setattr(Store, "checkpoint", fail)
    world.recover()
    assert world.daemon.state == "disk_full"
    monkeypatch.undo()
    world.wait(1.0)
    assert (world.daemon.state, world.learned) == ("online", 1)


# --- What may be written ----------------------------------------------------------------------------------------------


def test_a_stop_costs_one_commit_where_a_day_s_writes_are_used_up(make: Make) -> None:
    world = make(state={"written_bytes_per_day_max": 864_000 * 10}).recover()
    world.receive(event(1))
    world.store.written = 864_000 * 10 + 500
    world.transport.arriving = [[event(2)], [], [event(3)]]
    world.daemon.stop()
    world.daemon.run()
    assert world.history == ["append", "acknowledge", "checkpoint"]
    assert world.transport.acknowledged == [event(1)]


def test_when_a_day_s_writes_are_used_up_commits_wait_and_then_the_broker(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    # 10 bytes a second, and a day's worth of them at once.
    world = make(state={"written_bytes_per_day_max": 864_000 * 10, "commit_messages": 3}).recover()
    world.store.written = 864_000 * 10 + 500
    world.receive(event(1))
    world.wait(1.0)
    assert (world.daemon.state, world.history) == ("writes_spent", [])
    # What fits into memory is still learned.
    world.receive(event(2), event(3))
    assert world.learned == 3
    assert world.transport.taking
    world.receive(event(4))
    assert not world.transport.taking
    for _ in range(3):
        world.wait(1.0)
    assert world.learned == 3
    assert sum("is used up" in record.getMessage() for record in caplog.records) == 1
    assert world.daemon.metrics()["writes_spent"] == 1
    world.wait(1.0)
    assert world.history == ["append", "acknowledge"]
    world.receive()
    assert world.learned == 4
    # It is told once, until there is plenty again.
    world.store.written += 1000
    world.wait(1.0)
    assert world.daemon.metrics()["writes_spent"] == 1
    world.wait(20_000.0)
    world.receive(event(5))
    world.wait(1.0)
    assert world.daemon.state == "online"


def test_what_may_be_written_survives_a_restart(make: Make) -> None:
    per_day = 864_000 * 10
    world = make(state={"written_bytes_per_day_max": per_day}).recover()
    world.store.written = per_day - 100
    world.receive(event(1))
    world.wait(1.0)
    assert world.history == ["append", "acknowledge"]
    world.store.close()
    world.restart()
    world.recover()
    world.store.written = 500
    world.receive(event(2))
    world.wait(1.0)
    assert world.daemon.state == "writes_spent"


def test_what_is_written_until_the_end_counts_after_a_restart(make: Make) -> None:
    per_day = 864_000 * 10
    world = make(state={"written_bytes_per_day_max": per_day}).recover()
    world.receive(event(1))
    world.store.written = per_day + 1000
    # Nothing was due since: it is the stop that takes account of it.
    world.daemon.stop()
    world.daemon.run()
    world.restart()
    assert world.recover().daemon.metrics()["written_bytes_left"] == -1000


def test_the_pace_of_writing_is_told(make: Make) -> None:
    world = make().recover()
    world.store.written = 86_400
    world.clock.now += 86_400 / 4
    assert world.daemon.metrics()["written_bytes_per_day"] == 4 * 86_400
    assert world.daemon.metrics()["written_bytes"] == 86_400


def test_where_writes_cannot_be_counted_that_is_told_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.store.written = None  # type: ignore[assignment]
    world.recover()
    for i in range(3):
        world.receive(event(i))
        world.wait(1.0)
    assert world.history.count("append") == 3
    assert caplog.text.count("neither bounded nor reported") == 1


def test_a_window_of_redeliveries_that_is_too_small_is_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    make(limits={"redelivery_window": 999}).recover()
    assert "`limits.redelivery_window` is 999" in caplog.text
    caplog.clear()
    make(limits={"redelivery_window": 1000}).recover()
    assert caplog.text == ""
