"""Messages that nobody asked for are acknowledged and not handled."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from edgedescent.interfaces import Delivery
from edgedescent_mqtt.screen import TOPICS_MAX, Screen
from edgedescent_mqtt.session_record import SessionRecord
from edgedescent_mqtt.topics import covers, matches, overlap, uncovered


def sent(topic: str) -> Delivery:
    return Delivery(topic, b"x", 1, 1)


def test_what_no_filter_matches_is_counted_and_keeps_no_payload() -> None:
    counts: Counter[str] = Counter()
    screen = Screen(["p/#"], counts)
    asked, unasked = screen.mark([sent("p/1"), sent("q/1")])
    assert (asked.surplus, asked.payload, unasked.surplus, unasked.payload) == (False, b"x", True, b"")
    assert counts == {"messages_unasked": 1}


def test_many_topics_need_little_memory() -> None:
    screen = Screen(["p/#"], Counter())
    for i in range(3 * TOPICS_MAX):
        (one,) = screen.mark([sent(f"{'pq'[i % 2]}/{i}")])
        assert one.surplus == bool(i % 2)
    assert len(screen._known) + len(screen._unasked) <= TOPICS_MAX


def test_covering_and_overlapping_agree_with_matching() -> None:
    chance = random.Random(5)
    levels = ["a", "b", "$s", "+"]

    def drawn(wildcards: bool) -> str:
        made = [chance.choice(levels if wildcards else levels[:3]) for _ in range(chance.randint(1, 3))]
        return "/".join(made + (["#"] if wildcards and chance.random() < 0.3 else []))

    topics = {drawn(wildcards=False) for _ in range(500)}
    for _ in range(2000):
        one, other = drawn(wildcards=True), drawn(wildcards=True)
        both = {topic for topic in topics if matches(one, topic) and matches(other, topic)}
        assert not both or overlap(one, other), (one, other)
        if covers(one, other):
            assert both == {topic for topic in topics if matches(other, topic)}, (one, other)
    assert uncovered(["a/+", "a/b", "a/#", "$share/g/a/b", "+/b"]) == ["a/#", "+/b"]


@pytest.mark.parametrize("text", ["{", "[]", '{"address": 1}', '{"address": "a", "client_id": "b", "known": 0}'])
def test_a_damaged_record_is_said_and_replaced(text: str, caplog: pytest.LogCaptureFixture) -> None:
    record = SessionRecord.load(text, "broker:1883", "pump")
    assert record.subscriptions == {}
    assert "is damaged" in caplog.text


def test_a_record_of_another_session_is_not_continued(caplog: pytest.LogCaptureFixture) -> None:
    record = SessionRecord.load("", "broker:1883", "pump")
    record.subscriptions["p/#"] = False
    assert SessionRecord.load(record.text, "broker:1883", "pump") == record
    assert not caplog.records
    assert SessionRecord.load(record.text, "broker:1883", "other").subscriptions == {}
    assert "it was that of 'pump' at broker:1883" in caplog.text
