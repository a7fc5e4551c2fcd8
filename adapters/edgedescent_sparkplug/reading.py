"""Metrics of a message: those that it introduces, and their values by time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from edgedescent.formats import Record
from edgedescent_sparkplug.datatypes import USED, UnusedValueError, value_of
from edgedescent_sparkplug.nodes import Known, Table
from edgedescent_sparkplug.payload import Metric, Payload

NAME_CHARACTERS_MAX = 256
"""Bound on the name of a metric that is used."""
_CONTROLS = ("Node Control/", "Device Control/")


class Place(NamedTuple):
    """Origin of metrics: group, edge node and device."""

    prefix: str
    """Group, where features are named by it; else empty."""
    node: str
    device: str
    """Empty for the node itself."""
    group: str

    def of(self, device: str) -> Place:
        """Place of a device of the same node."""
        return self._replace(device=device)

    @property
    def source(self) -> str:
        """Group, node and device as the source of a record."""
        return "/".join(part for part in (self.group, self.node, self.device) if part)

    @property
    def label(self) -> str:
        """Node and device for messages."""
        return "/".join(part for part in (self.node, self.device) if part)[:100]

    def nested(self, values: Mapping[str, object]) -> object:
        """Values in tables by group, node and device, so that fields and features have their names."""
        found: object = values
        for part in (self.device, self.node, self.prefix):
            if part:
                found = {part: found}
        return found


class Learned(NamedTuple):
    """Values of a message with data, and the metrics that it introduced."""

    values: dict[float, dict[str, object]]
    """Values by time and name."""
    table: Table
    """Table with the metrics that the message introduced by itself."""
    n_unknown: int
    """Number of metrics that no birth has introduced."""


def introduced(
    metrics: Sequence[Metric], before: Table | None, room: int, counts: Counter[str]
) -> tuple[Table, dict[str, object]]:
    """Table of the metrics of a birth, and their values; metrics of the table before that it has no more are missing.

    Args:
        metrics: The metrics.
        before: The table before.
        room: Bound on the number of metrics; further ones are left out.
        counts: Counters, which are updated.
    """
    known: dict[str, Known] = {}
    values: dict[str, object] = {}
    if before is not None:
        values = {name: None for name, one in before.metrics.items() if _is_feature(name, one.datatype)}
    for metric in metrics:
        if not metric.name or metric.name == "bdSeq":
            continue
        if metric.name not in known and len(known) >= room:
            counts["metrics_dropped"] += 1
            continue
        known[metric.name] = Known(metric.alias, metric.datatype)
        _read(metric, metric.name, metric.datatype, values, counts)
    return Table(True, known), values


def read_metrics(message: Payload, table: Table | None, room: int, counts: Counter[str]) -> Learned:
    """Values of the metrics of a message with data.

    A metric with a name and a datatype needs no birth.

    Args:
        message: The message.
        table: Metrics of its device that are known; None for none.
        room: Number of metrics that may be added to it.
        counts: Counters, which are updated.
    """
    table = Table(False, {}) if table is None else table
    names, metrics = table.names, table.metrics
    values: dict[float, dict[str, object]] = {}
    added: dict[str, Known] = {}
    n_unknown = 0
    for metric in message.metrics:
        name = metric.name or (names.get(metric.alias) if metric.alias is not None else None)
        known = metrics.get(name) if name else None
        datatype = metric.datatype or (0 if known is None else known.datatype)
        if not name or not datatype:
            n_unknown += 1
            continue
        if known is None and name not in added:
            if len(added) >= room:
                counts["metrics_dropped"] += 1
                continue
            added[name] = Known(metric.alias, datatype)
        stamp = message.timestamp if metric.timestamp is None else metric.timestamp
        time = math.nan if stamp is None else stamp / 1000.0
        found = values.get(time)
        if found is None:
            found = values[time] = {}
        _read(metric, name, datatype, found, counts)
    if added:
        table = Table(table.is_born, {**metrics, **added})
    return Learned(values, table, n_unknown)


def missing(place: Place, metrics: Mapping[str, Known], time: float) -> Record:
    """Record that makes metrics missing."""
    gaps = {name: None for name, one in metrics.items() if _is_feature(name, one.datatype)}
    return Record(place.source, time, place.nested(gaps))


def _read(metric: Metric, name: str, datatype: int, values: dict[str, object], counts: Counter[str]) -> None:
    """Set the value of a metric, unless it is none that is used."""
    if not _is_feature(name, datatype):
        if not name.startswith(_CONTROLS):
            counts["metrics_left_out"] += 1
        return
    try:
        values[name] = None if metric.is_null else value_of(datatype, metric.field, metric.value)
    except UnusedValueError:
        counts["metrics_left_out"] += 1


def _is_feature(name: str, datatype: int) -> bool:
    """True if the values of a metric are used."""
    return datatype in USED and len(name) <= NAME_CHARACTERS_MAX and not name.startswith(_CONTROLS)
