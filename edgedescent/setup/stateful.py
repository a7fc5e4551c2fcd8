"""Profiles of messages that belong together, because their decoder needs those before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from edgedescent.assembly.fields import leaves
from edgedescent.errors import ConfigError, InvalidEventError
from edgedescent.formats import DECODERS, Record, StatefulDecoder
from edgedescent.setup.heard import Heard
from edgedescent.setup.profiles import FIELDS_MAX, FieldProfile, Path, TopicProfile


def stateful_profiles(heard: Iterable[Heard]) -> tuple[list[TopicProfile], list[Heard]]:
    """Profiles of what decoders with a state read, each under a topic filter, and the other messages.

    Args:
        heard: The messages, in the order of their arrival.
    """
    kinds = dict(_kinds())
    groups: dict[tuple[str, str], list[Heard]] = defaultdict(list)
    others: list[Heard] = []
    for one in heard:
        key = next(((name, topic) for name, kind in kinds.items() if (topic := kind.filter_of(one.topic))), None)
        (others if key is None else groups[key]).append(one)
    found = [_profile(kinds[name](), name, topic, messages) for (name, topic), messages in sorted(groups.items())]
    return found, others


def _kinds() -> Iterable[tuple[str, type[StatefulDecoder]]]:
    for name in DECODERS:
        try:
            kind = DECODERS[name]
        except ConfigError:
            # One whose package is not installed reads nothing.
            continue
        if issubclass(kind, StatefulDecoder):
            yield name, kind


def _profile(decoder: StatefulDecoder, name: str, topic: str, messages: list[Heard]) -> TopicProfile:
    state, counts, fields = decoder.open([topic]), Counter[str](), dict[Path, FieldProfile]()
    for one in messages:
        try:
            records = state.decode(one.topic, one.payload, one.received_at)
            state.commit(counts)
            values = [pair for record in records if isinstance(record, Record) for pair in leaves(record.values)]
        except InvalidEventError:
            # As the daemon, which makes a dead letter of it.
            continue
        for path, value in values:
            if path in fields or len(fields) < FIELDS_MAX:
                fields.setdefault(path, FieldProfile(path)).add(value)
    # Many sources under one filter, which may send only what has changed: the time between two messages says nothing.
    return TopicProfile(topic, name, len(messages), None, fields, None)
