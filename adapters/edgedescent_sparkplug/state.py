"""State of a Sparkplug B input: births introduce metrics, data uses their aliases, deaths make them missing.

References:
    Sparkplug Specification 3.0.0, chapters 4 "Topics and messages", 5 "Operational behavior" and 6 "Payloads".
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import msgspec

from edgedescent.errors import InvalidEventError
from edgedescent.formats import Command, DecoderState, Record
from edgedescent_sparkplug.nodes import Key, Node, Table, Tables, decode_nodes, encode_nodes
from edgedescent_sparkplug.payload import Payload, read_payload, rebirth_request
from edgedescent_sparkplug.reading import Learned, Place, introduced, missing, read_metrics

NODES_MAX = 1024
"""Bound on the nodes, those that have died included; beyond it the first of these are forgotten."""
NAMESPACE = "spBv1.0"
_BD_SEQ = "bdSeq"


class Rules(NamedTuple):
    """Parameters of the decoder."""

    waits_after_gap: bool
    rebirth_interval_s: float | None
    """Least time between two requests for the births of a node; None for no requests."""
    entries_max: int


class SparkplugState(DecoderState):
    """Edge nodes of an input, with their sessions and metrics.

    Args:
        rules: Parameters of the decoder.
        with_group: True if features are named by the group of the node, too.

    Example:
        >>> from collections import Counter
        >>> from edgedescent_sparkplug.payload import Message
        >>> state, counts = SparkplugState(Rules(False, None, 100), with_group=False), Counter()
        >>> birth, data = Message(timestamp=1000, seq=0), Message(timestamp=2000, seq=1)
        >>> _ = birth.metrics.add(name="Temperature", alias=7, datatype=9, float_value=21.5)
        >>> _ = data.metrics.add(alias=7, float_value=22.0)
        >>> for kind, message in (("NBIRTH", birth), ("NDATA", data)):
        ...     print(state.decode(f"spBv1.0/plant/{kind}/press", message.SerializeToString(), 2.0))
        ...     _ = state.commit(counts)
        [Record(source='plant/press', time=1.0, values={'press': {'Temperature': 21.5}})]
        [Record(source='plant/press', time=2.0, values={'press': {'Temperature': 22.0}})]
    """

    def __init__(self, rules: Rules, *, with_group: bool) -> None:
        self._rules = rules
        self._with_group = with_group
        self._nodes: dict[Key, Node] = {}
        self._size = 0
        """Nodes, devices and metrics together."""
        self._next: tuple[Key, Node | None, Counter[str], list[Command]] | None = None
        """Node after the last decoded message, None where it stays, with its counts and commands."""

    # --- Messages -------------------------------------------------------------------------------------------------

    def decode(self, topic: str, payload: bytes, received_at: float) -> list[Record | InvalidEventError]:
        """Values of a message of an edge node by time, and what of it cannot be used; others have none."""
        self._next = None
        levels = topic.split("/")
        takes = _KINDS.get(levels[2]) if len(levels) > 3 and levels[0] == NAMESPACE else None
        if takes is None or len(levels) != (4 if levels[2].startswith("N") else 5):
            return []
        key = levels[1], levels[3]
        place = Place(levels[1] if self._with_group else "", levels[3], levels[4] if len(levels) > 4 else "", levels[1])
        message = read_payload(payload)
        before = self._nodes.get(key)
        counts: Counter[str] = Counter()
        room = self._rules.entries_max - self._size + (0 if before is None else before.size)
        if before is None:
            if self._is_full:
                raise _no_room(place)
            before = Node()
        node, found = takes(self, before, place, _Received(message, received_at, room), counts)
        if node is before:
            # A repeat, or the death of an earlier session.
            self._next = key, None, counts, []
            return found
        if message.timestamp is not None and takes is not SparkplugState._node_death:
            node = msgspec.structs.replace(node, sent_ms=message.timestamp, received_at=received_at)
        commands: list[Command] = []
        if node.wants_birth and self._may_ask(node, received_at):
            node = msgspec.structs.replace(node, asked_at=received_at)
            commands.append(Command(f"{NAMESPACE}/{key[0]}/NCMD/{key[1]}", rebirth_request(int(received_at * 1000))))
            counts["rebirths_requested"] += 1
        self._next = key, node, counts, commands
        return found

    def commit(self, counts: Counter[str]) -> list[Command]:
        """Remember the last decoded message; returns a request for births, where one is due."""
        if self._next is None:
            return []
        (key, node, own, commands), self._next = self._next, None
        if node is not None:
            self._set(key, node)
        for name, n in own.items():
            counts[f"decoding.{name}"] += n
        return commands

    def _set(self, key: Key, node: Node) -> None:
        if key not in self._nodes and len(self._nodes) >= NODES_MAX:
            dead = next(other for other, one in self._nodes.items() if not one.tables)
            self._size -= self._nodes.pop(dead).size
        before = self._nodes.get(key)
        self._size += node.size - (0 if before is None else before.size)
        self._nodes[key] = node

    @property
    def _is_full(self) -> bool:
        """True if there are as many living nodes as may be."""
        return len(self._nodes) >= NODES_MAX and all(node.tables for node in self._nodes.values())

    def _may_ask(self, node: Node, received_at: float) -> bool:
        interval = self._rules.rebirth_interval_s
        # A clock that went back does not end the requests.
        return interval is not None and not 0.0 <= received_at - node.asked_at < interval

    def _node_birth(self, node: Node, place: Place, received: _Received, counts: Counter[str]) -> _Taken:
        """Begin a session of a node, or introduce its metrics again."""
        message = received.message
        bd_seq = _session_of(message)
        time = _time_of(node, message)
        counts["births"] += 1
        found: list[Record | InvalidEventError] = []
        devices = {name: table for name, table in node.tables.items() if name}
        if node.bd_seq != bd_seq:
            # Another session, or one that was not known: what its devices have is said by their births, which follow.
            found += [missing(place.of(name), table.metrics, time) for name, table in devices.items()]
            devices = {}
        # In the same session their metrics stay, but their aliases are those of their next births.
        tables = Tables({name: Table(False, table.metrics) for name, table in devices.items()})
        # The node and its table take two.
        room = received.room - tables.size - 2
        if room < 0:
            raise _no_room(place)
        table, values = introduced(message.metrics, node.tables.get(""), room, counts)
        found += _records(place, {time: values})
        seq = message.seq or 0
        born = Node(Tables({"": table, **tables}), bd_seq, seq, died_at=node.died_at, asked_at=node.asked_at)
        return born, found

    def _device_birth(self, node: Node, place: Place, received: _Received, counts: Counter[str]) -> _Taken:
        """Introduce the metrics of a device."""
        following = self._following(node, received.message, counts)
        if following is None:
            return node, []
        counts["births"] += 1
        before = node.tables.get(place.device)
        room = received.room - following.tables.size - 2 + (0 if before is None else 1 + len(before.metrics))
        if room < 0:
            raise _no_room(place)
        table, values = introduced(received.message.metrics, before, room, counts)
        tables = Tables({**following.tables, place.device: table})
        time = _time_of(node, received.message)
        return msgspec.structs.replace(following, tables=tables), _records(place, {time: values})

    def _data(self, node: Node, place: Place, received: _Received, counts: Counter[str]) -> _Taken:
        """Read the values that have changed."""
        message = received.message
        following = self._following(node, message, counts)
        if following is None:
            return node, []
        table = following.tables.get(place.device)
        room = received.room - following.tables.size - 1 - (table is None)
        learned: Learned = read_metrics(message, table, room, counts)
        found = _records(place, learned.values)
        if learned.table is not table and learned.table.metrics:
            tables = Tables({**following.tables, place.device: learned.table})
            following = msgspec.structs.replace(following, tables=tables)
        if learned.n_unknown:
            counts["metrics_unknown"] += learned.n_unknown
            following = msgspec.structs.replace(following, wants_birth=True)
            text = f"{learned.n_unknown} of {len(message.metrics)} metrics of {place.label}"
            found.append(InvalidEventError("no_birth", f"{text} were not introduced by a birth."))
        return following, found

    def _device_death(self, node: Node, place: Place, received: _Received, counts: Counter[str]) -> _Taken:
        """Make the metrics of a device missing."""
        following = self._following(node, received.message, counts)
        if following is None:
            return node, []
        counts["deaths"] += 1
        table = following.tables.get(place.device)
        if table is None:
            return following, []
        tables = Tables({name: one for name, one in following.tables.items() if name != place.device})
        record = missing(place, table.metrics, _time_of(node, received.message))
        return msgspec.structs.replace(following, tables=tables), [record]

    def _node_death(self, node: Node, place: Place, received: _Received, counts: Counter[str]) -> _Taken:
        """End a session: make the metrics of a node and of its devices missing."""
        bd_seq = _session_of(received.message)
        if not node.tables or (None not in (bd_seq, node.bd_seq) and bd_seq != node.bd_seq):
            # The broker sends the will of a connection that was lost, perhaps behind the birth on the next one.
            counts["deaths_ignored"] += 1
            return node, []
        counts["deaths"] += 1
        # The payload was written when the node connected, so that its time is not that of the death.
        time = node.clock_at(received.at)
        found: list[Record | InvalidEventError] = [
            missing(place.of(name), table.metrics, time) for name, table in node.tables.items()
        ]
        died_at = node.died_at if math.isnan(time) else time
        return Node(received_at=received.at, died_at=died_at, asked_at=node.asked_at), found

    def _following(self, node: Node, message: Payload, counts: Counter[str]) -> Node | None:
        """Node with the sequence number of a message that follows; None for a message that came again."""
        seq = message.seq
        if seq is None:
            counts["sequence_missing"] += 1
            return msgspec.structs.replace(node, wants_birth=node.wants_birth or node.seq is None)
        if node.seq is None:
            # Its birth came before this input listened.
            return msgspec.structs.replace(node, seq=seq, wants_birth=True)
        if seq == node.seq and message.timestamp is not None and message.timestamp == node.sent_ms:
            counts["messages_repeated"] += 1
            return None
        n_missed = (seq - node.seq - 1) % 256
        if not n_missed:
            return msgspec.structs.replace(node, seq=seq)
        counts["sequence_gaps"] += 1
        counts["messages_missed"] += n_missed
        tables = node.tables
        if self._rules.waits_after_gap:
            tables = Tables({name: Table(False, table.metrics) for name, table in tables.items()})
        return msgspec.structs.replace(node, tables=tables, seq=seq, wants_birth=True)

    def problems(self) -> list[str]:
        """Nodes whose births are missing."""
        text = "sent metrics that no birth introduced, or a message of it was missed; it has not sent its births since."
        return [f"The node {'/'.join(key)!a:.100} {text}" for key, node in self._nodes.items() if node.wants_birth]

    # --- State ----------------------------------------------------------------------------------------------------

    def save(self) -> bytes:
        """The nodes, in the order in which they came first."""
        return encode_nodes(self._nodes)

    def restore(self, saved: bytes) -> None:
        """Continue with what `save` returned."""
        nodes = decode_nodes(saved)
        size = sum(node.size for node in nodes.values())
        if len(nodes) > NODES_MAX or size > self._rules.entries_max:
            raise ValueError("the state of the Sparkplug nodes is larger than its bounds.")
        self._nodes, self._size, self._next = nodes, size, None


class _Received(NamedTuple):
    """Payload of a message, with what its node may use of the bound."""

    message: Payload
    at: float
    room: int


_Taken = tuple[Node, list[Record | InvalidEventError]]
"""Node behind a message, and what the message says."""
_KINDS = {
    "NBIRTH": SparkplugState._node_birth,
    "DBIRTH": SparkplugState._device_birth,
    "NDATA": SparkplugState._data,
    "DDATA": SparkplugState._data,
    "NDEATH": SparkplugState._node_death,
    "DDEATH": SparkplugState._device_death,
}
"""Methods by the type of a message, the third level of its topic. Commands and states of hosts are not read."""


def _session_of(message: Payload) -> int | None:
    """Number of the session in a birth or death of a node."""
    for one in message.metrics:
        if one.name == _BD_SEQ and isinstance(one.value, int):
            return one.value & 0xFF
    return None


def _time_of(node: Node, message: Payload) -> float:
    """Time of a birth or death, never before the last death of its node; NaN where it has none."""
    return math.nan if message.timestamp is None else max(message.timestamp / 1000.0, node.died_at)


def _records(place: Place, values: dict[float, dict[str, object]]) -> list[Record | InvalidEventError]:
    """Records of values by their times, the earliest first."""
    return [
        Record(place.source, time, place.nested(values[time])) for time in sorted(values, key=_order) if values[time]
    ]


def _order(time: float) -> tuple[bool, float]:
    """Order of times, in which those of arrival are the last."""
    return math.isnan(time), time


def _no_room(place: Place) -> InvalidEventError:
    return InvalidEventError("too_large", f"There is no room for {place.label}: see `entries_max`.")
