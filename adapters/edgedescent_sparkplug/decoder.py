"""Decoder of Sparkplug B."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from edgedescent.formats import StatefulDecoder
from edgedescent_sparkplug.datatypes import UnusedValueError, value_of
from edgedescent_sparkplug.payload import read_payload
from edgedescent_sparkplug.state import NAMESPACE, Rules, SparkplugState

_TOPICS = re.compile(r"spBv1\.0/(#|[^/#]+/(#|\+/(#|[^/#]+/#)))")
"""Topic filters that take in all messages of each node whose messages they take in."""


@dataclass(frozen=True, kw_only=True)
class SparkplugDecoder(StatefulDecoder):
    """Decoder of Sparkplug B, version 3.0. It needs protobuf, which the extra ``sparkplug`` installs.

    Example:
        >>> from edgedescent_sparkplug.payload import Message
        >>> birth = Message()
        >>> _ = birth.metrics.add(name="Temperature", datatype=9, float_value=21.5)
        >>> SparkplugDecoder().decode(birth.SerializeToString())
        {'Temperature': 21.5}

    References:
        Sparkplug Specification, version 3.0.0, Eclipse Foundation, 2022 (ISO/IEC 20237).
    """

    after_gap: Annotated[
        Literal["use", "wait"],
        Meta(description="What becomes of aliases after a missed message: use them, or wait for the next births"),
    ] = "use"
    rebirth: Annotated[bool, Meta(description="Publish requests for missing births to the nodes (NCMD)")] = False
    rebirth_interval_s: Annotated[
        float, Meta(ge=1, le=1e9, description="Least time between two requests to one node")
    ] = 60.0
    entries_max: Annotated[
        int, Meta(ge=16, le=100_000, description="Bound on the nodes, devices and metrics that are remembered together")
    ] = 8192

    def decode(self, payload: bytes) -> object:
        """Values of the metrics that a payload names, with their datatype: those of births, and of some data."""
        values: dict[str, float | int | str | bool | None] = {}
        for one in read_payload(payload).metrics:
            if not one.name:
                continue
            try:
                values[one.name] = None if one.is_null else value_of(one.datatype, one.field, one.value)
            except UnusedValueError:
                continue
        return values

    @classmethod
    def filter_of(cls, topic: str) -> str | None:
        """Filter for all nodes of the group."""
        namespace, *levels = topic.split("/")
        return f"{namespace}/{levels[0]}/+/+/#" if namespace == NAMESPACE and len(levels) > 2 else None

    def open(self, topics: Sequence[str]) -> SparkplugState:
        """State of an input that has seen nothing."""
        if any(_TOPICS.fullmatch(topic) is None for topic in topics):
            raise ValueError(
                "expected all messages of a node, because a birth is needed for the data: a filter such as "
                "spBv1.0/plant/+/+/#, or spBv1.0/plant/+/node-1/# for one node."
            )
        groups = {topic.split("/")[1] for topic in topics}
        return SparkplugState(
            Rules(self.after_gap == "wait", self.rebirth_interval_s if self.rebirth else None, self.entries_max),
            with_group=len(groups) > 1 or not groups.isdisjoint("+#"),
        )
