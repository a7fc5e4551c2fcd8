"""When a batch is due: by count, by time, by what a broker sends ahead, and by what it seems to."""

from __future__ import annotations

from itertools import pairwise

import pytest

from edgedescent.daemon.batch import RETRY_INTERVALS, Batch, CommitPolicy
from edgedescent.engine.messages import Message
from edgedescent.interfaces import Delivery


class Stream:
    """A broker that sends so many messages ahead, and a policy that acknowledges them."""

    def __init__(self, *, window: int | None = 1000, messages_max: int = 10_000, bytes_max: int = 10**9) -> None:
        self.policy = CommitPolicy(interval_s=1.0, messages_max=messages_max, bytes_max=bytes_max, window=window)
        self.batch = Batch()
        self.now = 0.0
        self.commits: list[tuple[float, int]] = []
        """When, and how many messages each had."""

    def arrive(self, count: int = 1, qos: int = 1) -> None:
        messages = [Message(i, 0.0, "t", b"12345") for i in range(1, count + 1)]
        self.batch.add(messages, [Delivery("t", b"12345", i, qos) for i in range(1, count + 1)], self.now)
        self.look()

    def look(self, *, idle: bool = False) -> None:
        if self.policy.is_due(self.batch, self.now, idle=idle):
            self.commits.append((self.now, len(self.batch)))
            self.policy.committed(self.batch, self.now)
            self.batch = Batch()

    def wait(self, seconds: float) -> None:
        """In steps, as a daemon's turns."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(self.now + 0.01, until)
            self.look(idle=True)


def test_nothing_is_never_due() -> None:
    stream = Stream()
    stream.wait(10.0)
    assert stream.commits == []
    assert stream.policy.due_at(stream.batch) == float("inf")


def test_the_oldest_message_waits_no_longer_than_the_interval() -> None:
    stream = Stream()
    for _ in range(50):
        stream.arrive()
        stream.wait(0.1)
    assert {count for _, count in stream.commits} <= {10, 11}
    assert len(stream.commits) == 4
    assert all(later - earlier < 1.12 for (earlier, _), (later, _) in pairwise(stream.commits))


@pytest.mark.parametrize(("limits", "count"), [({"messages_max": 7}, 7), ({"bytes_max": 32}, 7), ({"window": 8}, 7)])
def test_as_many_as_allowed_are_committed_at_once(limits: dict[str, int], count: int) -> None:
    stream = Stream(**limits)
    for _ in range(3 * count):
        stream.arrive()
    assert stream.commits == [(0.0, count)] * 3


def test_half_of_what_is_sent_ahead_is_committed_when_nothing_more_is_there() -> None:
    stream = Stream(window=100)
    stream.arrive(49)
    stream.look(idle=True)
    assert stream.commits == []
    stream.arrive(1)
    assert stream.policy.due_at(stream.batch) == stream.now, "the next poll does not wait"
    stream.arrive(30)
    assert stream.commits == []
    stream.look(idle=True)
    assert stream.commits == [(0.0, 80)]


def test_a_window_of_one_commits_each_message() -> None:
    stream = Stream(window=1)
    stream.arrive()
    assert stream.commits == [(0.0, 1)]


def test_what_cannot_be_sent_again_waits_for_no_more_than_quiet() -> None:
    stream = Stream(window=None)
    stream.arrive(5, qos=0)
    assert stream.commits == []
    stream.look(idle=True)
    assert [count for _, count in stream.commits] == [5]
    stream.arrive(5, qos=1)
    stream.look(idle=True)
    assert len(stream.commits) == 1


def starve(stream: Stream, ahead: int, seconds: float) -> int:
    """A broker with plenty to send that sends only so many ahead; how many messages it got rid of."""
    until, before = stream.now + seconds, sum(count for _, count in stream.commits)
    while stream.now < until:
        if not stream.batch.messages:
            stream.arrive(ahead)
        stream.wait(0.01)
    return sum(count for _, count in stream.commits) - before


@pytest.mark.parametrize("ahead", [1, 20, 32])
def test_a_broker_that_sends_fewer_ahead_is_noticed(ahead: int) -> None:
    stream = Stream()
    starve(stream, ahead, 3.5)
    # From then on the policy is the broker's: a hundred times as fast.
    assert starve(stream, ahead, 10.0) > 500 * ahead
    # From time to time it is tested if that still holds, which costs one interval.
    assert starve(stream, ahead, 2.0 * RETRY_INTERVALS) > 0.9 * 2.0 * RETRY_INTERVALS * 100 * ahead * 0.95


def test_it_is_noticed_too_where_something_else_commits_before_it_is_due() -> None:
    stream = Stream()
    for _ in range(3):
        stream.arrive(20)
        stream.wait(0.5)
        # As a checkpoint does.
        stream.policy.committed(stream.batch, stream.now)
        stream.batch = Batch()
    stream.arrive(20)
    assert stream.commits == [(stream.now, 20)]


def test_a_broker_that_sends_more_again_is_noticed() -> None:
    stream = Stream()
    starve(stream, 20, 5.0)
    before = len(stream.commits)
    starve(stream, 200, 5.0)
    stream.wait(1.0)
    # One interval for each, as before anything was noticed; then it has its own policy.
    assert stream.commits[before][1] == 200


def test_a_slow_stream_does_not_pass_for_a_broker_that_waits() -> None:
    stream = Stream()
    for _ in range(200):
        stream.arrive()
        stream.wait(0.1)
    assert {count for _, count in stream.commits} <= {10, 11}


def test_a_stream_that_quickens_is_gathered_again() -> None:
    stream = Stream()
    # One message in two seconds: each is a commit of its own, however that is decided.
    for _ in range(10):
        stream.arrive()
        stream.wait(2.0)
    for _ in range(1000):
        stream.arrive()
        stream.wait(0.1)
    assert stream.commits[-1][1] in (10, 11)
