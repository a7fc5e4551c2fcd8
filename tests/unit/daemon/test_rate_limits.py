"""Rate limits by source and over all: what is beyond them is acknowledged and counted, and never journaled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from edgedescent.config import Limits
from edgedescent.daemon.rate_limits import FORGOTTEN_AFTER_S, SOURCES_MAX, RateLimits
from edgedescent.formats import JsonFormat
from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness, MakeHarness, event

Screen = Callable[..., int]


@pytest.fixture
def screen() -> Callable[..., tuple[RateLimits, Screen]]:
    """Makes limits, and a function that returns how many of some messages they admit."""

    def make(**limits: float) -> tuple[RateLimits, Screen]:
        made = RateLimits(Limits(**limits), lambda payload: payload.count(b"{"))

        def admitted(at_s: float, *payloads: bytes, topic: str = "pump") -> int:
            screened = made.screen([Delivery(topic, payload, 7, 1) for payload in payloads], at_s)
            assert all(not one.payload for one in screened if one.surplus)
            return sum(not one.surplus for one in screened)

        return made, admitted

    return make


def test_each_topic_has_a_limit_of_its_own(screen: Any) -> None:
    limits, admitted = screen(events_per_second_max=3)
    assert admitted(10.0, *[b"{}"] * 5) == 3
    assert limits.counts == {"rate_limited": 2, "rate_limited_bytes": 4}
    assert admitted(10.0, b"{}", topic="other") == 1
    # The clock was set back: nothing is refilled until it goes on from there.
    assert admitted(5.0, b"{}") == 0
    assert admitted(5.5, b"{}", b"{}") == 1


def test_a_message_costs_its_events_also_in_advance(screen: Any) -> None:
    limits, admitted = screen(events_per_second_max=2)
    assert admitted(0.0, b"[{},{},{},{},{},{}]", b"{}") == 1
    assert admitted(2.0, b"{}") == 0
    assert admitted(2.6, b"{}") == 1
    assert limits.counts["rate_limited"] == 2


def test_bytes_are_limited_too(screen: Any) -> None:
    limits, admitted = screen(bytes_per_second_max=100)
    assert admitted(0.0, *[b"x" * 60] * 3) == 2
    assert admitted(0.1, b"x") == 0
    assert admitted(0.5, b"x") == 1
    assert limits.counts["rate_limited_bytes"] == 61


@pytest.mark.parametrize("limits", [{"total_events_per_second_max": 10}, {"total_bytes_per_second_max": 20}])
def test_rotating_topics_do_not_pass_the_limit_over_all(screen: Any, limits: dict[str, float]) -> None:
    _, admitted = screen(**limits, events_per_second_max=5)
    assert sum(admitted(0.0, b"{}", topic=f"t{number}") for number in range(3000)) == 10
    # By now the table is full: all of these share one bucket.
    assert sum(admitted(1.0, b"{}", topic=f"u{number}") for number in range(3000)) == 5


def test_what_a_topic_may_not_costs_the_others_nothing(screen: Any) -> None:
    _, admitted = screen(events_per_second_max=1, total_events_per_second_max=3)
    assert admitted(0.0, *[b"{}"] * 100) == 1
    assert sum(admitted(0.0, b"{}", topic=f"t{number}") for number in range(5)) == 2


def test_topics_beyond_the_table_share_one_bucket(screen: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, admitted = screen(events_per_second_max=2)
    assert sum(admitted(0.0, *[b"{}"] * 3, topic=f"t{number}") for number in range(3000)) == 2 * SOURCES_MAX + 2
    assert caplog.text.count("further ones share the limits") == 1
    # Those that were there go on; a silent one gives its place to a new one.
    assert admitted(1.0, *[b"{}"] * 3, topic="t5") == 2
    assert admitted(1.0, *[b"{}"] * 3, topic="t2000") == 2
    assert admitted(1.0, b"{}", topic="t2001") == 0
    later = FORGOTTEN_AFTER_S + 0.5
    assert admitted(later, *[b"{}"] * 3, topic="new") == 2
    assert admitted(later, *[b"{}"] * 3, topic="newer") == 2


def test_each_limited_topic_is_warned_of_once_a_minute(screen: Any, caplog: pytest.LogCaptureFixture) -> None:
    _, admitted = screen(events_per_second_max=1, total_events_per_second_max=2)
    for at_s in (0.0, 10.0, 59.0, 61.0):
        admitted(at_s, *[b"{}"] * 10)
    assert caplog.text.count("Messages on 'pump' come faster than `[limits]` allows: ") == 2
    admitted(61.0, b"{}", topic="other")
    for number in range(100):
        admitted(61.0, b"{}", topic=f"t{number}")
    assert caplog.text.count("Messages on all topics together come, such as on 't0', faster") == 1


def test_long_topics_are_told_apart_without_keeping_them(screen: Any) -> None:
    limits, admitted = screen(events_per_second_max=1)
    assert admitted(0.0, b"{}", b"{}", topic="x" * 65_535) == 1
    assert admitted(0.0, b"{}", b"{}", topic="x" * 65_534 + "y") == 1
    assert max(map(len, limits._sources)) <= 32


def flooded(harness: DaemonHarness, qos: int) -> list[Delivery]:
    """Ten events at once, of which two are admitted."""
    deliveries = [Delivery("pump", event(i), packet_id=i + 1 if qos else 0, qos=qos, generation=1) for i in range(10)]
    harness.receive(*deliveries)
    harness.wait(2.0)
    return deliveries


@pytest.mark.parametrize("qos", [0, 1])
def test_what_is_beyond_a_limit_is_acknowledged_and_leaves_no_trace(make: MakeHarness, qos: int) -> None:
    harness = make(limits={"events_per_second_max": 2}).recover()
    flooded(harness, qos)
    assert harness.learned == 2
    assert [message.payload for message in harness.store.read(after=0)] == [event(0), event(1)]
    assert harness.daemon.metrics()["rate_limited"] == 8
    assert harness.daemon.metrics()["rate_limited_bytes"] == sum(len(event(i)) for i in range(2, 10))
    assert harness.daemon.metrics()["messages"] == 2
    assert len(harness.transport.acknowledged) == 10


def test_other_limits_change_nothing_about_what_was_learned(make: MakeHarness) -> None:
    harness = make(limits={"events_per_second_max": 2}).recover()
    flooded(harness, 1)
    harness.config = make(limits={"events_per_second_max": 50}).config
    harness.restart()
    harness.recover()
    assert harness.learned == 2


@pytest.mark.parametrize(
    ("payload", "count"),
    [
        (b'{"x": {"a": 1}, "y": 2}', 1),
        (b'[{"x": {"a": [1, 2]}}, {"x": {"b]": 1}},{}]', 3),
        (b'[{"x": {"a\\"": "],["}}, {}]', 2),
        (b"[]", 1),
        (b"", 1),
        (b"\xff", 1),
        (b'{"x": {}}\n{"x": {}}\n{"x": {}}\n', 3),
        (b"[" + b"{}," * 999 + b"{}]", 1000),
        (b"[" + b"1," * 2000, 1),
    ],
)
def test_events_are_counted_without_decoding_them(payload: bytes, count: int) -> None:
    json_format = JsonFormat("features", payload_bytes_max=3500, events_per_message_max=10)
    assert json_format.count_events(payload) == count


def test_any_format_can_count_events() -> None:
    json_format = JsonFormat("features", payload_bytes_max=3000, events_per_message_max=10)
    payload = json.dumps([{"x": {"a": 1}}, 3]).encode()
    assert super(JsonFormat, json_format).count_events(payload) == 2
    assert super(JsonFormat, json_format).count_events(b"[]") == 1
