"""What holds for every schedule of edge nodes: features by a simple model, and the same bits after any restart."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.assembly import Row
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.errors import ConfigError
from edgedescent.formats import Command
from edgedescent.state import codec
from edgedescent.validation import parameters
from edgedescent_sparkplug import SparkplugDecoder
from support.assembly import Assembly, Sent, bits, settings_of
from support.edge_node import EdgeNode, M, metric, payload, value_field

TOML = """
[inputs.plant]
topics = ["spBv1.0/plant/+/+/#"]
format = { type = "sparkplug", rebirth = true }
[inputs.clock]
topics = ["clock"]
format = "scalar"
[assembly]
emit = "clock"
lateness_s = 0
[label]
input = "clock"
feature = "clock"
horizon_s = 30
"""
START_S = 1_000_000.0
Schedule = list[tuple[Sent, dict[str, float]]]
"""Messages with the features that hold behind each, by a model that knows no bytes."""


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Messages of two edge nodes, of which some are lost on the way."""
    now = [START_S]
    nodes = [EdgeNode(f"n{i}", clock=lambda: int(now[0] * 1000), uses_alias=draw(st.booleans())) for i in range(2)]
    alive: dict[str, bool] = {}
    """True for devices that the host knows by a birth, or that send names, False for those that it cannot know."""
    features: dict[str, float] = {}
    messages: Schedule = []

    def forget(start: str) -> None:
        for name in [name for name in features if name.startswith(start)]:
            del features[name]

    for _ in range(draw(st.integers(3, 40))):
        now[0] += 1.0
        node = nodes[draw(st.integers(0, 1))]
        kind = draw(st.sampled_from(["connect", "birth", "data", "data", "death", "device_death", "lost"]))
        value, device = draw(st.integers(-5, 5)), f"{node.name}.d{draw(st.integers(0, 1))}"
        short = device.split(".")[1]
        if kind in ("connect", "death") or node.bd_seq < 0:
            if kind == "death" and node.bd_seq >= 0:
                message = node.death()
                forget(f"{node.name}.")
            else:
                message = node.connect(M("own", value, 4))
                forget(f"{node.name}.")
                features[f"{node.name}.own"] = float(value)
            for name in [name for name in alive if name.startswith(f"{node.name}.")]:
                del alive[name]
        elif kind == "birth":
            message = node.device_birth(short, M("a", value, 1), M("b", 2.5))
            features.update({f"{device}.a": float(value), f"{device}.b": 2.5})
            alive[device] = True
        elif kind == "device_death":
            message = node.device_death(short)
            forget(f"{device}.")
            alive.pop(device, None)
        elif kind == "lost":
            node.data(short, M("a", value, 1))
            continue
        else:
            message = node.data(short, M("a", value, 1))
            # An alias says nothing without its birth.
            if alive.get(device) or not node.uses_alias or (device.split(".")[1], "a") not in node.aliases:
                features[f"{device}.a"] = float(value)
                alive.setdefault(device, False)
        messages.append((Sent(*message, now[0]), dict(features)))
        now[0] += 1.0
        messages.append((Sent("clock", b"1", now[0]), dict(features)))
    return messages


@settings(max_examples=40, deadline=None)
@given(schedules())
def test_features_are_those_of_a_simple_model(schedule: Schedule) -> None:
    assembly = Assembly(TOML)
    for message, expected in schedule:
        rows = [step for step in assembly.take(message) if isinstance(step, Row) and step.y is None]
        if message.topic == "clock":
            x = dict(rows[-1].x)
            assert x.pop("clock") == 1.0
            assert x == expected


@settings(max_examples=25, deadline=None)
@given(schedules(), st.data())
def test_a_restart_anywhere_gives_the_same_bits(schedule: Schedule, data: st.DataObject) -> None:
    one = other = Assembly(TOML)
    at = data.draw(st.integers(0, len(schedule)))
    for message, _ in schedule[:at]:
        one.take(message)
    other = one.restarted()
    assert bits(other.assembler) == bits(one.assembler)
    for message, _ in schedule[at:]:
        assert [str(step) for step in one.take(message)] == [str(step) for step in other.take(message)]
    assert bits(other.assembler) == bits(one.assembler)
    assert other.counts == one.counts


def engine() -> Engine:
    return Engine(LinearRegressor(), assembly=settings_of(TOML.replace('"clock"\nlate', '"plant"\nlate')))


def flushing() -> list[Message]:
    """Births, and a message with the values of many times, which can be left in between."""
    node = EdgeNode(clock=lambda: 100_000)
    sent = [node.connect(M("a", 0.0))]
    node.data("", M("a", 1.0))
    # It is behind a gap, so that a request follows from it.
    sent.append(node.data("", *(M("a", float(i), at_ms=100_000 + i) for i in range(30))))
    return [Message(i + 1, 200.0, *one) for i, one in enumerate(sent)]


@pytest.mark.parametrize("n", [1, 2, 7, 27])
def test_a_message_that_was_left_halfway_goes_on_with_the_same_bits(n: int) -> None:
    birth, flush = flushing()
    whole, cut = engine(), engine()
    expected = [*whole.handle(birth), *whole.handle(flush)]
    effects = cut.handle(birth)
    assert cut.begin(flush, n) is None
    effects += cut.leave()
    again = engine()
    again.load_state_dict(codec.decode(codec.encode(cut.state_dict())))
    effects += again.handle(flush)
    assert codec.encode(again.state_dict()) == codec.encode(whole.state_dict())
    requests = [effect for effect in effects if isinstance(effect, Command)]
    assert requests == [effect for effect in expected if isinstance(effect, Command)]
    assert len(requests) == 1


def test_a_metric_that_no_birth_introduced_is_a_dead_letter_and_counted() -> None:
    one = engine()
    data = payload([metric(alias=1, value=value_field(10, 2.5))], 100_000, 9)
    [letter, command] = one.handle(Message(1, 200.0, "spBv1.0/plant/NDATA/press", data))
    assert isinstance(letter, DeadLetter)
    assert isinstance(command, Command)
    assert (letter.reason, letter.payload) == ("no_birth", data)
    metrics = one.metrics()
    assert metrics["dead_letters.no_birth"] == metrics["decoding.metrics_unknown"] == 1


def test_values_of_one_time_in_several_messages_add_up_while_they_wait() -> None:
    toml = TOML.replace("lateness_s = 0", "lateness_s = 10").replace('emit = "clock"', 'emit = "plant"')
    assembly = Assembly(toml)
    now = [START_S]
    node = EdgeNode(clock=lambda: int(now[0] * 1000))

    def take(*messages: Any) -> list[dict[str, Any]]:
        steps = assembly.take(*(Sent(*message, now[0]) for message in messages))
        return [step.x for step in steps if isinstance(step, Row) and step.y is None]

    assert take(node.connect(M("a", 1.0), M("b", 1.0))) == []
    now[0] += 1.0
    # Of one moment; the second is stored history, behind its time, and within the lateness in its place.
    assert take(node.data("", M("a", 2.0)), node.data("", M("b", 3.0)), node.data("", M("b", 7.0, at_ms=1))) == []
    now[0] += 30.0
    rows = take(node.data("", M("a", 9.0)))
    assert rows == [{"press.a": 1.0, "press.b": 1.0}, {"press.a": 2.0, "press.b": 3.0}]
    assert assembly.counts["readings_corrected"] == 0
    assert assembly.counts["readings_late"] == 1
    assert assembly.take(Sent(*node.data("", M("a", 1.0, at_ms=1)), now[0]))[0].reason == "late"  # type: ignore[union-attr]


def test_a_state_without_that_of_the_decoder_is_refused() -> None:
    one = Assembly(TOML)
    state = one.assembler.state_dict()
    with pytest.raises(ValueError, match="other inputs"):
        Assembly(TOML).assembler.load_state_dict({**state, "decoders": np.frombuffer(b"\x90", dtype=np.uint8)})
    with pytest.raises(KeyError):
        Assembly(TOML).assembler.load_state_dict({name: state[name] for name in ("clock", "content")})
    # One without a state has none to save.
    plain = Assembly('[inputs.a]\ntopics = ["a"]\n[label]\ninput = "a"\nfeature = "a.v"\n')
    assert set(plain.assembler.state_dict()) == {"clock", "content"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('time = "t"', "`inputs.plant.time` is 't': expected none, the format has times of its own."),
        ("records = true", "`inputs.plant.records` is true: expected none, the format has times of its own."),
        ('topics = ["spBv1.0/plant/DDATA/+/+"]', "`inputs.plant.topics` is ['spBv1.0/plant/DDATA/+/+']: expected all"),
        ('format = { type = "sparkplug", after_gap = "ask" }', "`inputs.plant.format`: The `after_gap` of"),
    ],
)
def test_a_wrong_table_is_named(lines: str, message: str) -> None:
    key = lines.partition(" ")[0]
    kept = [line for line in TOML.splitlines() if not line.startswith(f"{key} =") or "clock" in line]
    at = kept.index("[inputs.plant]") + 1
    toml = "\n".join([*kept[:at], lines, *kept[at:]])
    with pytest.raises(ConfigError) as caught:
        settings_of(toml)
    assert str(caught.value).startswith(message)


def test_the_sample_shows_every_parameter_with_its_default() -> None:
    sample = (Path(__file__).parents[3] / "adapters/edgedescent_sparkplug/sample.toml").read_text(encoding="utf-8")
    label = '[label]\ninput = "plant"\nfeature = "press.a"\nhorizon_s = 60\n'
    assert settings_of(sample + label).inputs["plant"].format == {"type": "sparkplug"}
    whole = tomllib.loads(re.sub(r"^# (\w+ = )", r"\1", sample, flags=re.MULTILINE))["inputs"]["plant"]["format"]
    assert whole.pop("type") == "sparkplug"
    assert SparkplugDecoder(**whole) == SparkplugDecoder()
    assert whole.keys() == parameters(SparkplugDecoder).keys()


def test_fields_may_name_features() -> None:
    toml = TOML.replace("[inputs.clock]", 'fields = { speed = "press.motor.Speed/rpm" }\n[inputs.clock]')
    assembly, node = Assembly(toml), EdgeNode(clock=lambda: int(START_S * 1000))
    birth = node.device_birth("motor", M("Speed/rpm", 3.0), M("other", 1.0))
    rows = assembly.take(Sent(*node.connect(), START_S), Sent(*birth, START_S), Sent("clock", b"1", START_S + 1))
    assert [row.x for row in rows if isinstance(row, Row)] == [{"speed": 3.0, "clock": 1.0}]


def test_counters_are_those_of_messages_that_are_done() -> None:
    counts: Counter[str] = Counter()
    assembly = Assembly(TOML)
    node = EdgeNode(clock=lambda: int(START_S * 1000))
    steps = assembly.assembler.run(*node.connect(M("a", 1.0)), START_S, counts)
    assert counts["decoding.births"] == 0
    assert [step for step in steps if not isinstance(step, int)] == []
    assert counts["decoding.births"] == 1
