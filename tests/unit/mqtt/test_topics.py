from __future__ import annotations

import pytest

from edgedescent.errors import ConfigError
from edgedescent_mqtt.topics import check_topics, is_response_topic


@pytest.mark.parametrize("topic", ["a", "a/b", "+/a", "a/+/b", "a/#", "+/+/a/#", "/", "$share/group/a/+"])
def test_filters_that_can_be_subscribed_to(topic: str) -> None:
    check_topics(device="pump", events=[topic], outputs={"topics.status": "status"})


@pytest.mark.parametrize("topic", ["", "a#", "a/#/b", "#/a", "a+/b", "a/+b", "a\0b", "x" * 65_536])
def test_filters_that_cannot(topic: str) -> None:
    with pytest.raises(ConfigError, match=r"`topics\.events\[1\]` is "):
        check_topics(device="pump", events=["a", topic], outputs={})


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0", "x" * 65_536])
def test_topics_that_cannot_be_published_to(topic: str) -> None:
    with pytest.raises(ConfigError, match=r"`topics\.status` is "):
        check_topics(device="pump", events=["a"], outputs={"topics.status": topic})


@pytest.mark.parametrize(
    "events",
    ["#", "a/#", "a/b/#", "a/b", "+/b", "a/+", "+/+", "$share/g/a/b", "$share/g/a/#", "$share/g/#"],
)
def test_an_output_that_would_come_back_as_an_event(events: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_topics(device="pump", events=["x", events], outputs={"topics.metrics": "a/b"})
    assert str(caught.value) == f"`topics.metrics` is 'a/b', which {events!r} of `topics.events` matches too."


@pytest.mark.parametrize("events", ["a", "a/b/c", "a/b/+", "b/#", "+", "+/+/+", "$share/a/b", "A/b", "a/b/"])
def test_an_output_beside_the_events(events: str) -> None:
    check_topics(device="pump", events=[events], outputs={"topics.metrics": "a/b"})


@pytest.mark.parametrize(
    ("events", "topic", "matched"),
    [
        *(("a/b", "a/{id}", True), ("a/b", "a/{id}/c", False), ("a/b", "a/x-{id}", False), ("a/x-b", "a/x-{id}", True)),
        *(("a/#", "a/{key}", True), ("#", "{id}", True), ("+/b", "{id}/c", False), ("+/b", "{id}/{key}", True)),
        *(
            ("$share/g/a/+", "a/{id}", True),
            ("a/.", "a/{id}x", False),
            ("a", "a/{id}", False),
            ("a/#", "a/b/{id}", True),
        ),
    ],
)
def test_a_topic_with_fields_is_one_of_many(events: str, topic: str, matched: bool) -> None:
    if matched:
        with pytest.raises(ConfigError, match="matches too"):
            check_topics(device="pump", events=[events], outputs={"topics.predictions": topic})
    else:
        check_topics(device="pump", events=[events], outputs={"topics.predictions": topic})


@pytest.mark.parametrize("device", ["a/b", "+", "pump#", "a\0"])
def test_a_device_that_is_not_one_level_of_a_topic(device: str) -> None:
    with pytest.raises(ConfigError, match=r"`device` is .*: expected one level of a topic"):
        check_topics(device=device, events=["a"], outputs={})


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("page/7", True),
        ("shop/lists", True),
        ("", False),
        ("a/+", False),
        ("a/#", False),
        ("a\0", False),
        ("$SYS/broker", False),
        ("shop/events", False),
        ("shop/x/sensors", False),
    ],
)
def test_response_topics_that_are_answered(topic: str, allowed: bool) -> None:
    assert is_response_topic(topic, ["$share/fleet/shop/events", "shop/+/sensors"]) == allowed
