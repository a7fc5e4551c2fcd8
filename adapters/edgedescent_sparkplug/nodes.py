"""Edge nodes as they are remembered: sessions, devices, and the names and aliases of their metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

Byte = Annotated[int, Meta(ge=0, le=255)]
Natural = Annotated[int, Meta(ge=0)]


class Known(NamedTuple):
    """Metric that was introduced."""

    alias: Natural | None
    datatype: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Table:
    """Metrics of a device, or of the node itself, by name and by alias; it is never changed.

    Args:
        is_born: True if a birth of this session introduced them, so that their aliases can be used.
        metrics: The metrics by name.

    Attributes:
        is_born: See above.
        metrics: See above.
        names: Names by alias; of two metrics with one alias, the last.
    """

    __slots__ = ("is_born", "metrics", "names")

    def __init__(self, is_born: bool, metrics: Mapping[str, Known]) -> None:
        self.is_born = is_born
        self.metrics = metrics
        self.names = {one.alias: name for name, one in metrics.items() if one.alias is not None} if is_born else {}


class Tables(dict[str, Table]):
    """Tables of a node by the name of the device, its own under the empty name; they are never changed.

    Attributes:
        size: Number of devices and metrics.
    """

    __slots__ = ("size",)

    def __init__(self, tables: Mapping[str, Table] = MappingProxyType({})) -> None:
        super().__init__(tables)
        self.size = sum(1 + len(table.metrics) for table in tables.values())


class Node(msgspec.Struct, frozen=True):
    """Session of an edge node; one that has died, or introduced nothing, has no tables."""

    tables: Tables = msgspec.field(default_factory=Tables)
    bd_seq: int | None = None
    """Number of the session, which its death repeats; None where it is not known."""
    seq: int | None = None
    """Sequence number of the last message; None where none has come yet."""
    sent_ms: int | None = None
    """Timestamp of the last message."""
    received_at: float = 0.0
    """Time at which that came."""
    died_at: float = -math.inf
    """Time of its last death, by its own clock."""
    wants_birth: bool = False
    """True if a birth is missing, or may be."""
    asked_at: float = -math.inf
    """Time at which it was last asked for its births."""

    @property
    def size(self) -> int:
        """Number of nodes, devices and metrics that it stands for; 0 for one that has died."""
        return 1 + self.tables.size if self.tables else 0

    def clock_at(self, received_at: float) -> float:
        """Time by the node's own clock when something arrives, from its last message; NaN where it has none."""
        if self.sent_ms is None:
            return math.nan
        return self.sent_ms / 1000.0 + (received_at - self.received_at)


Key = tuple[str, str]
"""Group and id of a node."""


class _SavedTable(msgspec.Struct, array_like=True):
    device: str
    is_born: bool
    metrics: list[tuple[str, Known]]


class _SavedNode(msgspec.Struct, array_like=True):
    group: str
    name: str
    tables: list[_SavedTable]
    bd_seq: Byte | None
    seq: Byte | None
    sent_ms: Natural | None
    received_at: float
    died_at: float
    wants_birth: bool
    asked_at: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_SavedNode]).decode


def encode_nodes(nodes: Mapping[Key, Node]) -> bytes:
    """Nodes as bytes, in their order."""
    return _encode(
        [
            _SavedNode(
                *key,
                [_SavedTable(name, table.is_born, list(table.metrics.items())) for name, table in node.tables.items()],
                *(getattr(node, field) for field in Node.__struct_fields__[1:]),
            )
            for key, node in nodes.items()
        ]
    )


def decode_nodes(saved: bytes) -> dict[Key, Node]:
    """Nodes that `encode_nodes` returned.

    Raises:
        ValueError: If they are damaged.
    """
    try:
        found = _decode(saved)
    except msgspec.DecodeError as error:
        raise ValueError(f"the state of the Sparkplug nodes is damaged: {error}") from error
    nodes: dict[Key, Node] = {}
    for one in found:
        tables = Tables({table.device: Table(table.is_born, dict(table.metrics)) for table in one.tables})
        node = Node(tables, *(getattr(one, field) for field in Node.__struct_fields__[1:]))
        numbers = (node.received_at, node.died_at, node.asked_at)
        if not math.isfinite(node.received_at) or any(math.isnan(number) or number == math.inf for number in numbers):
            raise ValueError("the state of the Sparkplug nodes has a time that is none.")
        nodes[one.group, one.name] = node
    return nodes
