"""The pages about real streams: the reference is current, its examples are right, and the recipes make events."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from edgedescent.assembly import DERIVED, AssemblySpec, InputSpec, LabelSpec, Row
from edgedescent.assembly.fields import Field
from edgedescent.config import Config, convert
from edgedescent.engine.messages import Message, Predictions
from edgedescent.formats import DECODERS
from support.assembly import Assembly, Sent, settings_of
from support.edge_node import EdgeNode, M

ROOT = Path(__file__).parents[3]
RECIPES = re.findall(
    r"^## (.*?)\n.*?^```toml\n(.*?)^```.*?^```text\n(.*?)^```",
    (ROOT / "docs/recipes.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_streams", ROOT / "docs" / "streams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_current_and_whole() -> None:
    text = (ROOT / "docs/streams-reference.md").read_text(encoding="utf-8")
    assert text == generator().page(), "run: python docs/streams.py --write"
    names = [
        field.name for kind in (InputSpec, Field, AssemblySpec, LabelSpec) for field in msgspec.structs.fields(kind)
    ]
    assert [name for name in (*names, *DECODERS.built_in) if f"`{name}`" not in text] == []
    assert [name for name in DERIVED.built_in if f"### {name}\n" not in text] == []


def test_each_example_of_the_reference_is_a_configuration() -> None:
    page = generator()
    assert set(page.EXAMPLES) == {*page.TABLES, *DERIVED.built_in}
    for title, example in page.EXAMPLES.items():
        settings = settings_of(page.configuration(example))
        assert settings.derive or title in page.TABLES


def messages(text: str, at: datetime) -> list[Sent]:
    """Messages of a recipe, with the times of one moment and ids of their own."""
    found, nodes = [], dict[str, EdgeNode]()
    for line in text.strip().splitlines():
        topic, _, payload = line.partition(" ")
        moved = re.sub(
            r"2026-01-05T1([01]):00:0(\d)",
            lambda time: (at + timedelta(hours=int(time[1]), seconds=int(time[2]))).isoformat(timespec="seconds"),
            payload,
        )
        moved = moved.replace("A-1", f"A-{at:%d%H%M}-1")
        encoded = moved.encode()
        if moved.startswith("msgpack "):
            encoded = msgspec.msgpack.encode(json.loads(moved.removeprefix("msgpack ")))
        if moved.startswith("sparkplug "):
            encoded = sparkplug(nodes, topic, json.loads(moved.removeprefix("sparkplug ")), at)
        found.append(Sent(topic, encoded, at.replace(tzinfo=UTC).timestamp() + 4.0))
    return found


def sparkplug(nodes: dict[str, EdgeNode], topic: str, fields: dict[str, float], at: datetime) -> bytes:
    """Payload of an edge node, by the type of the message in its topic."""
    _, group, kind, name, *device = topic.split("/")
    node = nodes.setdefault(name, EdgeNode(name, group, lambda: int(at.replace(tzinfo=UTC).timestamp() * 1000)))
    metrics = [M(name, float(value)) for name, value in fields.items()]
    if kind == "NBIRTH":
        message = node.connect(*metrics)
    else:
        message = (node.device_birth if kind == "DBIRTH" else node.data)(*device, *metrics)
    assert message.topic == topic
    return message.payload


@pytest.mark.parametrize(("title", "toml", "text"), RECIPES, ids=[title for title, _, _ in RECIPES])
def test_a_recipe_makes_labelled_events_of_such_messages(title: str, toml: str, text: str) -> None:
    assembly = Assembly(toml)
    rows = []
    # Every ten minutes for two days.
    for round_ in range(288):
        at = datetime.fromisoformat("2026-01-05T00:00:00") + timedelta(minutes=10 * round_)
        for step in assembly.take(*messages(text, at)):
            assert isinstance(step, Row), step
            rows.append(step)
    learned = [row for row in rows if row.y is not None]
    assert len(learned) > 30
    derived = {name for one in assembly.settings.build_derived() for name in one.names}
    assert derived
    assert derived <= set(learned[-1].x)


def test_the_answers_of_several_horizons_are_those_of_the_guide() -> None:
    text = (ROOT / "docs/streams.md").read_text(encoding="utf-8")
    section = text.partition("## Several horizons\n")[2].partition("\n## ")[0]
    toml, said = re.findall(r"^```(?:toml|text)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    reading = re.findall(r"`(\{\"ENERGY.*?)`", section)[0]
    engine = convert(tomllib.loads(toml), Config).build_engine()
    (effect,) = engine.handle(Message(1, 1767607200.0, "tele/meter/SENSOR", reading.encode()))
    assert isinstance(effect, Predictions)
    assert effect.payload.decode() == said.strip()


def test_there_are_recipes() -> None:
    assert len(RECIPES) == 7
