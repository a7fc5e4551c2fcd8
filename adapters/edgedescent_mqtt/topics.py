"""Topic names and topic filters of MQTT (MQTT 5, section 4.7): syntax and matching."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from edgedescent.errors import ConfigError, shown
from edgedescent.interfaces import TOPIC_FIELDS

TOPIC_BYTES_MAX = 65_535
_FIELD = re.compile(rf"\{{(?:{'|'.join(TOPIC_FIELDS)})\}}")
"""Field of a topic that is another one in each message."""


def require_topic(topic: str, path: str) -> str:
    """Return `topic` if messages can be published to it.

    Args:
        topic: A topic name.
        path: The setting that gave it, for the error message.

    Raises:
        ConfigError: If it is empty, too long, or has a wildcard or a zero byte.

    >>> require_topic("plant/pump/status", "topics.status")
    'plant/pump/status'
    """
    _require_text(topic, path)
    if "+" in topic or "#" in topic:
        raise ConfigError(f"`{path}` is {shown(topic)}: expected a topic without the wildcards + and #.")
    return topic


def require_filter(topic_filter: str, path: str) -> str:
    """Return `topic_filter` if it can be subscribed to.

    Args:
        topic_filter: A topic name, possibly with wildcards.
        path: The setting that gave it, for the error message.

    Raises:
        ConfigError: If it is empty, too long, has a zero byte, or has a wildcard in the wrong place.

    >>> require_filter("plant/+/events", "topics.events[0]")
    'plant/+/events'
    """
    _require_text(topic_filter, path)
    *before, last = topic_filter.split("/")
    if any("#" in level or ("+" in level and level != "+") for level in before) or (
        ("#" in last or "+" in last) and last not in ("#", "+")
    ):
        raise ConfigError(
            f"`{path}` is {shown(topic_filter)}: expected + only as a whole level, # only as the last one."
        )
    return topic_filter


def require_level(name: str, path: str) -> str:
    """Return `name` if it can be one level of a topic.

    Args:
        name: Such as the name of a device.
        path: The setting that gave it, for the error message.

    Raises:
        ConfigError: If it is empty, or has a separator, a wildcard or a zero byte.

    >>> require_level("pump", "device")
    'pump'
    """
    if not name or any(sign in name for sign in "/+#\0"):
        raise ConfigError(f"`{path}` is {shown(name)}: expected one level of a topic, without / + #.")
    return name


def matches(topic_filter: str, topic: str) -> bool:
    """Return True if a subscription to `topic_filter` receives messages of `topic`.

    >>> matches("plant/+/events", "plant/pump/events"), matches("$share/fleet/plant/#", "plant")
    (True, True)
    >>> matches("#", "$SYS/broker/uptime")
    False
    """
    levels = without_group(topic_filter).split("/")
    names = topic.split("/")
    if topic.startswith("$") and levels[0] in ("+", "#"):
        # Topics of the broker's own are not matched by a wildcard at the beginning (section 4.7.2).
        return False
    if levels[-1] == "#":
        levels.pop()
        # "plant/#" matches "plant" too (section 4.7.1.2).
        names = names[: len(levels)]
    return len(levels) == len(names) and all(level in ("+", name) for level, name in zip(levels, names, strict=True))


def may_match(topic_filter: str, template: str) -> bool:
    """Return True if a subscription receives messages of a topic in which `{id}` or `{key}` stands for any text.

    >>> may_match("plant/+/events", "plant/{id}/events"), may_match("plant/pump/#", "plant/p-{id}")
    (True, False)
    """
    levels, names = without_group(topic_filter).split("/"), template.split("/")
    if levels[-1] == "#":
        levels.pop()
        names = names[: len(levels)]
    return len(levels) == len(names) and all(
        level == "+" or re.fullmatch(".*".join(map(re.escape, _FIELD.split(name))), level)
        for level, name in zip(levels, names, strict=True)
    )


def is_response_topic(topic: str, filters: Sequence[str]) -> bool:
    """Return True if an answer can be published to a topic that a client names.

    A broker ends a connection over which a message to a wildcard comes. What matches `filters`, which the device
    subscribes to, would come back as an event. Topics of the broker's own (``$SYS``) are nobody's to write to.

    >>> is_response_topic("shop/page-7", ["edgedescent/shop/+"]), is_response_topic("shop/#", [])
    (True, False)
    """
    if not topic or topic.startswith("$") or any(sign in topic for sign in "+#\0"):
        return False
    return not any(matches(name, topic) for name in filters)


def without_group(topic_filter: str) -> str:
    """Return the filter of a shared subscription without its group (section 4.8.2).

    >>> without_group("$share/fleet/plant/+/events")
    'plant/+/events'
    """
    return topic_filter.split("/", 2)[2] if is_shared(topic_filter) else topic_filter


def has_wildcard(topic_filter: str) -> bool:
    """Return True if a filter matches more than one topic."""
    return any(level in ("+", "#") for level in topic_filter.split("/"))


def is_shared(topic_filter: str) -> bool:
    """Return True for a shared subscription, of which each member of the group gets a part."""
    return topic_filter.startswith("$share/") and topic_filter.count("/") >= 2


def covers(wider: str, narrower: str) -> bool:
    """Return True if a subscription to `wider` receives all that one to `narrower` does.

    >>> covers("p/#", "p/+/e"), covers("p/+/e", "p/#"), covers("$share/fleet/p/#", "p/e")
    (True, False, False)
    """
    if is_shared(wider):
        return False
    wide, narrow = wider.split("/"), without_group(narrower).split("/")
    if narrow[0].startswith("$") and wide[0] in ("+", "#"):
        return False
    for i, level in enumerate(wide):
        if level == "#":
            return True
        if i == len(narrow) or narrow[i] == "#" or level not in ("+", narrow[i]):
            return False
    return len(wide) == len(narrow)


def overlap(one: str, other: str) -> bool:
    """Return True if a topic matches both filters.

    >>> overlap("p/+", "+/e"), overlap("p/#", "p"), overlap("p/+", "p/+/e")
    (True, True, False)
    """
    left, right = without_group(one).split("/"), without_group(other).split("/")
    for first, second in zip(left, right, strict=False):
        if "#" in (first, second):
            return True
        if first != second and "+" not in (first, second):
            return False
    longer, shorter = (left, right) if len(left) > len(right) else (right, left)
    return longer[len(shorter) :] in ([], ["#"])


def uncovered(filters: Sequence[str]) -> list[str]:
    """Return the filters without those that another one covers, in the given order, each once.

    >>> uncovered(["p/+/e", "p/#", "q", "q"])
    ['p/#', 'q']
    """
    different = list(dict.fromkeys(filters))
    return [name for name in different if not any(covers(other, name) for other in different if other != name)]


def overlapping(filters: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of filters that a topic can match both of.

    >>> overlapping(["p/#", "q", "p/+/e"])
    [('p/#', 'p/+/e')]
    """
    return [pair for pair in itertools.combinations(dict.fromkeys(filters), 2) if overlap(*pair)]


def check_topics(*, device: str, events: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Check the topics of a device's configuration.

    Args:
        device: Name of the device, which is one level of the default topics.
        events: Filters to subscribe to, as in ``topics.events``.
        outputs: Topics to publish to, by the key that gave them, such as ``topics.status``. ``{id}`` and ``{key}``
            stand for any text within a level.

    Raises:
        ConfigError: If one cannot be used, or a message to an output would come back as an event.
    """
    require_level(device, "device")
    for i, topic_filter in enumerate(events):
        require_filter(topic_filter, f"topics.events[{i}]")
    for key, topic in outputs.items():
        require_topic(topic, key)
        matched = may_match if _FIELD.search(topic) else matches
        if matching := [topic_filter for topic_filter in events if matched(topic_filter, topic)]:
            raise ConfigError(
                f"`{key}` is {shown(topic)}, which {matching[0]!r} of `topics.events` matches too.",
                "The daemon would learn from its own messages.",
            )


def _require_text(topic: str, path: str) -> None:
    if not topic or "\0" in topic or len(topic.encode(errors="replace")) > TOPIC_BYTES_MAX:
        raise ConfigError(f"`{path}` is {shown(topic)}: expected 1 to {TOPIC_BYTES_MAX} bytes, none of them zero.")
