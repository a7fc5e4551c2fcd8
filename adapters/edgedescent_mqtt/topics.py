"""Syntax of MQTT topics and topic filters (MQTT 5, section 4.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgedescent.errors import ConfigError, shown


def check_topics(*, device: str, events: Sequence[str], outputs: Mapping[str, str]) -> None:
    """Check that a configuration's topics can be subscribed and published to, and that no output is an event.

    Args:
        device: name of the device, one level of the default topics.
        events: topic filters of the events.
        outputs: topics to publish to, by their key in the configuration.

    Raises:
        ConfigError: naming the key and the value.
    """
    if any(c in device for c in "/+#\0"):
        raise ConfigError(f"`device` is {shown(device)}: expected one level of a topic, without / + #.")
    for i, name in enumerate(events):
        _require_filter(name, f"topics.events[{i}]")
    for path, topic in outputs.items():
        _require_name(topic, path)
        if heard := [name for name in events if _matches(name, topic)]:
            raise ConfigError(
                f"`{path}` is {shown(topic)}, which {heard[0]!r} of `topics.events` matches too.",
                "The daemon would take its own answers for events.",
            )


def _require_name(topic: str, path: str) -> None:
    _require_text(topic, path)
    if "+" in topic or "#" in topic:
        raise ConfigError(f"`{path}` is {shown(topic)}: expected a topic without the wildcards + and #.")


def _require_filter(topic: str, path: str) -> None:
    _require_text(topic, path)
    *before, last = topic.split("/")
    if any("#" in level or ("+" in level and level != "+") for level in before) or (
        ("#" in last or "+" in last) and last not in ("#", "+")
    ):
        raise ConfigError(f"`{path}` is {shown(topic)}: expected + only as a whole level, # only as the last one.")


def _require_text(topic: str, path: str) -> None:
    if not topic or "\0" in topic or len(topic.encode(errors="replace")) > 65_535:
        raise ConfigError(f"`{path}` is {shown(topic)}: expected 1 to 65535 bytes, none of them zero.")


def without_group(name: str) -> str:
    """Filter of a shared subscription, without its group.

    >>> without_group("$share/fleet/plant/+/events")
    'plant/+/events'
    """
    return name.split("/", 2)[2] if name.startswith("$share/") and name.count("/") >= 2 else name


def _matches(events: str, topic: str) -> bool:
    """Return True if a topic filter matches a topic."""
    levels = without_group(events).split("/")
    names = topic.split("/")
    if levels[-1] == "#":
        levels.pop()
        # The level above the wildcard belongs to it too.
        names = names[: len(levels)]
    return len(levels) == len(names) and all(level in ("+", name) for level, name in zip(levels, names, strict=True))
