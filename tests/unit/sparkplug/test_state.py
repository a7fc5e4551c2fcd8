"""Sessions of edge nodes: births, aliases, deaths, sequence numbers and requests for births, within bounds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.errors import InvalidEventError
from edgedescent.formats import Command, Record
from edgedescent_sparkplug import SparkplugDecoder, state
from edgedescent_sparkplug.payload import read_payload
from edgedescent_sparkplug.state import SparkplugState
from support.edge_node import EdgeNode, M, Sent, metric, payload, value_field

TOPICS = ("spBv1.0/plant/+/+/#",)


class Host:
    """State with what came of its messages."""

    def __init__(self, topics: tuple[str, ...] = TOPICS, **parameters: Any) -> None:
        self.decoder = SparkplugDecoder(**parameters)
        self.topics = topics
        self.state = self.decoder.open(topics)
        self.counts: Counter[str] = Counter()
        self.commands: list[Command] = []
        self.now = 1000.0

    def clock(self) -> int:
        return int(self.now * 1000)

    def take(self, *messages: Sent) -> list[Record | InvalidEventError]:
        found: list[Record | InvalidEventError] = []
        for message in messages:
            found += self.state.decode(message.topic, message.payload, self.now)
            self.commands += self.state.commit(self.counts)
        return found

    def values(self, *messages: Sent) -> list[Any]:
        found = self.take(*messages)
        assert all(isinstance(one, Record) for one in found), found
        return [one.values for one in found if isinstance(one, Record)]

    def count(self, name: str) -> int:
        return self.counts[f"decoding.{name}"]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def node(host: Host) -> EdgeNode:
    return EdgeNode(clock=host.clock)


def test_data_by_alias_has_the_names_of_the_births(host: Host, node: EdgeNode) -> None:
    assert host.values(node.connect(M("load", 0.5))) == [{"press": {"load": 0.5}}]
    assert host.values(node.device_birth("motor", M("Speed", -3, 1), M("on", True, 11))) == [
        {"press": {"motor": {"Speed": -3, "on": True}}}
    ]
    assert host.values(node.data("motor", M("Speed", -5, 1)), node.data("", M("load", 0.75))) == [
        {"press": {"motor": {"Speed": -5}}},
        {"press": {"load": 0.75}},
    ]
    assert host.counts == {"decoding.births": 2}


def test_a_datatype_comes_from_the_birth_so_that_signs_are_kept(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("a", 1, 2)))
    data = payload([metric(alias=2, value=value_field(2, -2))], 0, 1)
    assert host.values(Sent("spBv1.0/plant/NDATA/press", data)) == [{"press": {"a": -2}}]


def test_a_death_makes_the_metrics_of_node_and_devices_missing(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("load", 0.5)), node.device_birth("motor", M("speed", 1.0)))
    host.now += 7.0
    found = host.take(node.death())
    gaps = [{"press": {"load": None}}, {"press": {"motor": {"speed": None}}}]
    assert [(one.time, one.values) for one in found if isinstance(one, Record)] == [(1007.0, gap) for gap in gaps]
    # What the node knew is forgotten.
    host.now += 1.0
    [fault] = host.take(node.data("motor", M("speed", 2.0)))
    assert isinstance(fault, InvalidEventError)
    assert fault.reason == "no_birth"
    assert str(fault) == "1 of 1 metrics of press/motor were not introduced by a birth."


def test_a_death_is_at_its_time_by_the_clock_of_the_node(host: Host) -> None:
    node = EdgeNode(clock=lambda: host.clock() - 90_000)
    host.take(node.connect(M("load", 0.5)))
    host.now += 7.0
    [death] = host.take(node.death())
    assert isinstance(death, Record)
    assert death.time == 917.0
    # A birth is never before the death that it ends, whatever the clock.
    node.clock = lambda: 1
    [birth] = host.take(node.connect(M("load", 0.5)))
    assert isinstance(birth, Record)
    assert birth.time == 917.0


def test_the_death_of_an_earlier_session_says_nothing(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("load", 0.5)))
    late_will = node.death()
    host.take(node.connect(M("load", 0.25)))
    assert host.values(late_will) == []
    assert host.count("deaths_ignored") == 1
    assert host.values(node.data("", M("load", 1.0))) == [{"press": {"load": 1.0}}]
    assert host.values(node.death()) == [{"press": {"load": None}}]
    assert host.values(node.death()) == []


def test_the_death_of_a_device_leaves_the_others(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(), node.device_birth("a", M("v", 1.0)), node.device_birth("b", M("v", 2.0)))
    assert host.values(node.device_death("a")) == [{"press": {"a": {"v": None}}}]
    assert host.values(node.data("b", M("v", 3.0))) == [{"press": {"b": {"v": 3.0}}}]
    assert host.values(node.device_death("a")) == []


def test_a_new_session_without_a_death_ends_the_one_before(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("load", 0.5), M("old", 1.0)), node.device_birth("motor", M("speed", 1.0)))
    assert host.values(node.connect(M("load", 0.25))) == [
        {"press": {"motor": {"speed": None}}},
        {"press": {"load": 0.25, "old": None}},
    ]


def test_births_of_the_same_session_keep_the_values_of_devices(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("load", 0.5)), node.device_birth("motor", M("speed", 1.0)))
    assert host.values(node.birth(M("load", 0.5))) == [{"press": {"load": 0.5}}]
    # The aliases of the device are not those of before.
    [fault] = host.take(Sent("spBv1.0/plant/DDATA/press/motor", payload([metric(alias=3, value=b"")], 0, 1)))
    assert isinstance(fault, InvalidEventError)
    # But it can still die.
    assert host.values(node.death())[1:] == [{"press": {"motor": {"speed": None}}}]


def test_values_have_the_times_of_their_metrics(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("a", 1.0, at_ms=5), M("b", 1.0)))
    found = host.take(node.data("", M("a", 2.0, at_ms=999_000), M("b", 3.0), M("a", 4.0, at_ms=998_000)))
    assert [(one.time, one.values) for one in found if isinstance(one, Record)] == [
        (998.0, {"press": {"a": 4.0}}),
        (999.0, {"press": {"a": 2.0}}),
        (1000.0, {"press": {"b": 3.0}}),
    ]


def test_a_birth_says_what_holds_now(host: Host, node: EdgeNode) -> None:
    [birth] = host.take(node.connect(M("a", 1.0, at_ms=5), M("b", 2.0)))
    assert birth == Record("plant/press", 1000.0, {"press": {"a": 1.0, "b": 2.0}})


def test_metrics_with_name_and_datatype_need_no_birth(host: Host) -> None:
    node = EdgeNode(clock=host.clock, uses_alias=False)
    node.connect()
    assert host.values(node.data("motor", M("speed", -1, 3))) == [{"press": {"motor": {"speed": -1}}}]
    assert host.values(node.death()) == [{"press": {"motor": {"speed": None}}}]


@pytest.mark.parametrize("first", [0, 7, 250])
def test_gaps_are_found_and_counted(host: Host, node: EdgeNode, first: int) -> None:
    host.take(node.connect(M("a", 1.0)))
    host.take(*(node.data("", M("a", float(i))) for i in range(first)))
    assert host.count("sequence_gaps") == 0
    for _ in range(9):
        node.data("", M("a", 0.0))
    assert host.values(node.data("", M("a", 5.0))) == [{"press": {"a": 5.0}}]
    assert (host.count("sequence_gaps"), host.count("messages_missed")) == (1, 9)


def test_after_a_gap_aliases_may_wait_for_births(node: EdgeNode) -> None:
    host = Host(after_gap="wait")
    node.clock = host.clock
    host.take(node.connect(M("a", 1.0)))
    node.data("", M("a", 2.0))
    [fault] = host.take(node.data("", M("a", 3.0)))
    assert isinstance(fault, InvalidEventError)
    assert host.values(node.birth(M("a", 4.0)), node.data("", M("a", 5.0))) == [{"press": {"a": v}} for v in (4.0, 5.0)]


def test_a_message_that_comes_again_is_used_once(host: Host, node: EdgeNode) -> None:
    data = [node.connect(M("a", 1.0)), node.data("", M("a", 2.0))]
    assert len(host.values(*data, data[1])) == 2
    assert host.count("messages_repeated") == 1
    assert host.count("sequence_gaps") == 0


def test_a_missing_birth_is_asked_for_at_intervals_until_it_comes(node: EdgeNode) -> None:
    host = Host(rebirth=True, rebirth_interval_s=10.0)
    node.clock = host.clock
    node.connect(M("a", 1.0))
    for _ in range(25):
        host.take(node.data("", M("a", 2.0)))
        host.now += 1.0
    assert [command.topic for command in host.commands] == ["spBv1.0/plant/NCMD/press"] * 3
    request = read_payload(host.commands[0].payload)
    assert (request.timestamp, request.metrics[0].name) == (1_000_000, "Node Control/Rebirth")
    assert host.count("rebirths_requested") == 3
    host.take(node.birth(M("a", 1.0)))
    host.now += 100.0
    host.take(*(node.data("", M("a", 2.0)) for _ in range(300)))
    assert len(host.commands) == 3
    # A gap is a reason, too.
    node.data("", M("a", 2.0))
    host.take(node.data("", M("a", 2.0)))
    assert len(host.commands) == 4


def test_nothing_is_asked_for_by_default(host: Host, node: EdgeNode) -> None:
    node.connect(M("a", 1.0))
    host.take(node.data("", M("a", 2.0)))
    assert host.commands == []


def test_what_is_not_used_is_counted(host: Host, node: EdgeNode) -> None:
    birth = node.connect(M("bytes", b"x", 17), M("long" * 100, 1.0), M("ok", 1.0), M("null", 0.0, is_null=True))
    assert host.values(birth) == [{"press": {"ok": 1.0, "null": None}}]
    assert host.count("metrics_left_out") == 2
    assert host.values(node.death()) == [{"press": {"ok": None, "null": None}}]


@pytest.mark.parametrize(
    "topic",
    ["spBv1.0/plant/NCMD/press", "spBv1.0/STATE/scada", "spBv1.0/plant/NDATA/press/x", "spBv1.0/g/DDATA/press", "x"],
)
def test_other_messages_are_not_read(host: Host, topic: str) -> None:
    assert host.take(Sent(topic, b"\xff not protobuf")) == []
    assert host.state.save() == Host().state.save()


def test_groups_are_parts_of_names_where_there_may_be_several() -> None:
    host = Host(("spBv1.0/+/+/+/#",))
    node = EdgeNode(clock=host.clock)
    assert host.values(node.connect(M("a", 1.0))) == [{"plant": {"press": {"a": 1.0}}}]


@pytest.mark.parametrize("topic", ["spBv1.0/plant/DDATA/+/#", "spBv1.0/plant/+/+/+", "spBv1.0/g/+/+", "#", "other/#"])
def test_topics_must_take_in_the_births(topic: str) -> None:
    with pytest.raises(ValueError, match="expected all messages of a node"):
        SparkplugDecoder().open([topic])


def test_a_topic_says_which_filter_takes_in_its_node() -> None:
    assert SparkplugDecoder.filter_of("spBv1.0/plant/DDATA/press/motor") == "spBv1.0/plant/+/+/#"
    assert SparkplugDecoder.filter_of("spBv1.0/STATE/scada") is SparkplugDecoder.filter_of("a/b/c/d") is None


@pytest.mark.parametrize("topic", ["spBv1.0/#", "spBv1.0/plant/#", "spBv1.0/plant/+/#", "spBv1.0/plant/+/press/#"])
def test_wider_topics_do(topic: str) -> None:
    SparkplugDecoder().open([topic])


def test_entries_are_bounded_and_what_has_no_room_is_counted() -> None:
    host = Host(entries_max=16)
    nodes = [EdgeNode(f"n{i}", clock=host.clock) for i in range(3)]
    metrics = [M(f"m{i}", 1.0) for i in range(9)]
    # A node, its table, a control and nine metrics.
    host.take(nodes[0].connect(*metrics))
    host.take(nodes[1].connect(*metrics))
    assert host.count("metrics_dropped") == 8
    with pytest.raises(InvalidEventError, match="There is no room for n2") as caught:
        host.take(nodes[2].connect(*metrics))
    assert caught.value.reason == "too_large"
    with pytest.raises(InvalidEventError, match="There is no room for n0/motor"):
        host.take(nodes[0].device_birth("motor", M("a", 1.0)))
    restored = host.decoder.open(TOPICS)
    restored.restore(host.state.save())
    # Deaths make room.
    host.take(nodes[0].death())
    assert host.values(nodes[2].connect(M("a", 1.0))) == [{"n2": {"a": 1.0}}]


def test_nodes_that_died_take_no_room() -> None:
    host = Host(entries_max=16)
    for i in range(40):
        node = EdgeNode(f"n{i}", clock=host.clock)
        host.take(node.connect(*(M(f"m{i}", 1.0) for i in range(13))), node.death())
    assert host.count("metrics_dropped") == 0
    node.connect()
    host.take(*(node.connect(M("a", 1.0)), node.device_birth("d", *(M(f"m{i}", 1.0) for i in range(9)))))
    restored = host.decoder.open(TOPICS)
    restored.restore(host.state.save())
    # Two tables, a node, a control, and eleven metrics are fifteen; one more of two has room.
    assert host.values(node.data("d", M("x", 1.0))) == [{f"n{39}": {"d": {"x": 1.0}}}]
    host.take(node.data("d", M("y", 1.0)), node.data("d", M("z", 1.0)))
    assert host.count("metrics_dropped") == 1
    restored.restore(host.state.save())


def test_the_first_dead_nodes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "NODES_MAX", 3)
    host = Host()
    nodes = [EdgeNode(f"n{i}", clock=host.clock) for i in range(9)]
    for node in nodes[:6]:
        host.take(node.connect(M("a", 1.0)), node.death())
    assert host.state.save().count(b"n") < 10
    host.take(*(node.connect(M("a", 1.0)) for node in nodes[6:]))
    with pytest.raises(InvalidEventError, match="no room"):
        host.take(nodes[0].connect(M("a", 1.0)))


def test_nothing_is_remembered_before_the_message_is_done(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("a", 1.0)))
    saved, data = host.state.save(), node.data("", M("a", 2.0))
    first = host.state.decode(data.topic, data.payload, host.now)
    assert host.state.save() == saved
    assert host.state.decode(data.topic, data.payload, host.now) == first
    host.state.commit(host.counts)
    assert host.state.save() != saved
    assert host.count("messages_repeated") == 0


@given(st.binary(max_size=40), st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]))
def test_no_bytes_break_a_session(data: bytes, kind: str) -> None:
    host = Host(rebirth=True)
    node = EdgeNode(clock=host.clock)
    host.take(node.connect(M("a", 1.0)), node.device_birth("motor", M("v", 1.0)))
    topic = f"spBv1.0/plant/{kind}/press" + ("/motor" if kind.startswith("D") else "")
    try:
        host.take(Sent(topic, data))
    except InvalidEventError:
        assert host.state.commit(host.counts) == []
    restored = host.decoder.open(TOPICS)
    restored.restore(host.state.save())
    assert restored.save() == host.state.save()
    assert host.values(node.connect(M("a", 3.0)))[-1]["press"]["a"] == 3.0


def _broken(saved: bytes, at: int) -> bytes:
    return saved[:at] + bytes([saved[at] ^ 0xFF]) + saved[at + 1 :]


def test_a_damaged_state_is_refused_or_bounded(host: Host, node: EdgeNode) -> None:
    host.take(node.connect(M("a", 1.0)), node.device_birth("motor", M("v", 1.0)))
    saved = host.state.save()
    for data in (b"", saved[:-1], b"\x90\x00", _broken(saved, 0)):
        with pytest.raises(ValueError, match="Sparkplug nodes"):
            SparkplugState(host.state._rules, with_group=False).restore(data)
    small = SparkplugDecoder(entries_max=16).open(TOPICS)
    many = EdgeNode(clock=host.clock)
    host.take(many.connect(*(M(f"m{i}", 1.0) for i in range(20))))
    with pytest.raises(ValueError, match="larger than its bounds"):
        small.restore(host.state.save())
