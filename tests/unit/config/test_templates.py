"""Templates of answers: what is filled in, what is refused, and that no id gets out of its place."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.config import Config, answer_template, convert, load
from edgedescent.config.answers import sensor_source
from edgedescent.config.templates import LEVEL_MAX, AnswerTemplate
from edgedescent.engine.messages import Prediction
from edgedescent.errors import ConfigError

STREAMS = Path(__file__).resolve().parents[3] / "docs/streams.md"
FULL = Prediction(21.375, id="7", y=22.5, low=19.0, high=23.5, time=1767607200.25, key="press")


def rendered(payload: str | None, answer: Prediction, topic: str = "t") -> list[tuple[str, bytes]]:
    return AnswerTemplate(topic, payload, "home").render(msgspec.json.encode(answer))


def config(**tables: Any) -> Config:
    return convert({"device": "home", **tables}, Config)


@pytest.mark.parametrize(
    ("payload", "text", "without"),
    [
        ("{prediction}", "21.375", "1.0"),
        ("{prediction:.1f}|{prediction:.2e}|{y:.0f}", "21.4|2.14e+01|22", "1.0|1.00e+00|null"),
        ('{"v":{prediction},"y":{y}}', '{"v":21.375,"y":22.5}', '{"v":1.0,"y":null}'),
        ('{"b":["{id}","{key}",{low},{high}]}', '{"b":["7","press",19.0,23.5]}', '{"b":["","",null,null]}'),
        ("{time} {time:ms} {time:ns} {time:.0f}", "1767607200.25 1767607200250 1767607200250000000 1767607200", None),
        ('{"t":"{time:iso}"}', '{"t":"2026-01-05T10:00:00.250000Z"}', '{"t":""}'),
        (
            "f,device={device},id={id:url} v={prediction} {time:ns}",
            "f,device=home,id=7 v=21.375 1767607200250000000",
            None,
        ),
        ("{ {prediction} {} {not a field} }", "{ 21.375 {} {not a field} }", None),
    ],
)
def test_fields_are_filled_in(payload: str, text: str, without: str | None) -> None:
    if payload.startswith("{ "):
        payload, text = f"x{payload}", f"x{text}"
    assert rendered(payload, FULL) == [("t", text.encode())]
    if without is not None:
        assert rendered(payload, Prediction(1.0)) == [("t", without.encode())]


def test_each_answer_of_an_array_is_a_message() -> None:
    template = AnswerTemplate("f/{device}/{id}", None, "home")
    answers = [Prediction(1.0, id=5), Prediction(2.0), Prediction(3.0, id="", y=4.0)]
    assert template.render(msgspec.json.encode(answers)) == [
        ("f/home/5", b'{"prediction":1.0,"id":5}'),
        ("f/home/_", b'{"prediction":2.0}'),
        ("f/home/_", b'{"prediction":3.0,"id":"","y":4.0}'),
    ]


def test_each_horizon_has_its_topic() -> None:
    template = AnswerTemplate("f/{horizon_s}", '{"v":{prediction},"ahead":{horizon_s:.0f}}', "home")
    answers = [Prediction(1.0, horizon_s=3600.0), Prediction(2.0, horizon_s=0.5), Prediction(3.0)]
    assert template.render(msgspec.json.encode(answers)) == [
        ("f/3600", b'{"v":1.0,"ahead":3600}'),
        ("f/0.5", b'{"v":2.0,"ahead":0}'),
        ("f/_", b'{"v":3.0,"ahead":null}'),
    ]
    assert [template.topic_of_horizon(horizon) for horizon in (3600.0, 0.5, None)] == ["f/3600", "f/0.5", "f/_"]
    assert template.read(b'{"v":1.0,"ahead":3600}') == Prediction(1.0, horizon_s=3600.0)


@given(st.text(), st.text())
def test_no_id_or_key_gets_out_of_its_place(name: str, key: str) -> None:
    template = AnswerTemplate("f/{id}/x-{key}", '{"id":"{id}","key":"{key}","url":"{id:url}","v":{prediction}}', "home")
    [(topic, payload)] = template.render(msgspec.json.encode(Prediction(1.5, id=name, key=key)))
    first, own, last = topic.split("/")
    assert (first, last[:2]) == ("f", "x-")
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]{1,512}", own)
    assert len(topic.encode()) <= 2 * LEVEL_MAX + 5
    assert template.is_own(topic)
    found = json.loads(payload)
    assert (found["id"], found["key"], found["v"]) == (name, key, 1.5)
    assert template.read(payload) == Prediction(1.5, id=name, key=key)


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        ('{"a":{"b":[0,{prediction:.1e}]},"t":"{time:iso}","n":{y}}', Prediction(21.0, y=22.5, time=1767607200.25)),
        ('{"p":{prediction},"t":{time:ms},"n":"{id}"}', Prediction(21.375, id="7", time=1767607200.25)),
        ("{prediction}", Prediction(21.375)),
        ('{"{id}":1,"p":{prediction}}', Prediction(21.375)),
        ('{"text":"{prediction} W"}', None),
        ("v={prediction}", None),
    ],
)
def test_what_was_rendered_can_be_read(payload: str, read: Prediction | None) -> None:
    template = AnswerTemplate("t", payload, "home")
    [(_, rendered)] = template.render(msgspec.json.encode(FULL))
    assert template.read(rendered) == read


def test_check_tries_a_topic_of_each_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Adapter:
        def check_broker(self, _table: object, **options: Any) -> None:
            given.update(options)

    monkeypatch.setattr(Config, "_transport", lambda _config: (Adapter(), {}))
    tables = {"inputs": {"meter": {"topics": ["m"]}}, **topic("f/{horizon_s}/{id}")}
    label = {"input": "meter", "feature": "meter.power"}
    for horizons, tried in (([60, 3_600_000], ["f/60/_", "f/3600000/_"]), (60, ["f/_/_"])):
        config(**tables, label={**label, "horizon_s": horizons}).check_broker(publish=False)
        assert [one for one in given["outputs"] if one.startswith("f/")] == tried
        assert len(given["outputs"]) == len(set(given["outputs"])) == len(tried) + 4


DISCOVERY = {"home_assistant": {"discovery": True}}


def payload(text: str) -> dict[str, Any]:
    return {"predictions": {"payload": text}}


def topic(text: str, *events: str) -> dict[str, Any]:
    return {"topics": {"predictions": text, **({"events": events} if events else {})}}


@pytest.mark.parametrize(
    ("tables", "error"),
    [
        (topic("f/{room}"), "is 'f/{room}': {room} is no field, expected one of {device}, {id}, {key}, {horizon_s}."),
        (topic("f/{id:url}"), "{id:url} has no such format, expected the name alone in a topic"),
        (payload("{predicton}"), "{predicton} is no field, expected one of {prediction}, {y}, "),
        (payload("{prediction:.99f}"), "expected a number of digits such as .2f, .3g or .4e."),
        (payload("{time:rfc}"), "or one of iso, ms, ns."),
        (payload("{id:.2f}"), "{id:.2f} has no such format, expected none or url."),
        (payload('{"id":{id}}'), "expected JSON once the fields are filled in, got something else"),
        (payload('{"t":{time:iso}}'), "expected JSON once the fields are filled in"),
        (payload('{"v":{prediction}'), "expected JSON once the fields are filled in"),
        (payload(""), "`predictions.payload` is ''"),
        (topic("edgedescent/home/{id}"), "could go to 'edgedescent/home/metrics', which is `topics.metrics`."),
        (topic("x/{id}", "x/in"), "which 'x/in' of `topics.events` matches too."),
        (topic("x/in-{key}", "x/+"), "which 'x/+' of `topics.events` matches too."),
        ({**topic("x/{id}"), **DISCOVERY}, "expected one topic for all answers"),
        ({**payload("v={prediction}"), **DISCOVERY}, "expected JSON that holds {prediction}"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path: Path, tables: dict[str, Any], error: str) -> None:
    path = tmp_path / "device.toml"
    path.write_text(tomli_w.dumps({"device": "home", **tables}))
    with pytest.raises(ConfigError) as caught:
        load(path, {}, check_adapters=True)
    assert error in str(caught.value)


def test_topics_beside_the_others_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text('device = "home"\n[topics]\npredictions = "edgedescent/{device}/forecast-{id}"\n')
    loaded = load(path, {}, check_adapters=True)
    template = answer_template(loaded)
    assert template is not None
    assert (template.filter, template.topic_of_horizon(None)) == ("edgedescent/home/+", None)
    assert answer_template(config()) is None


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ('{"a":{"v w":[{prediction}]}}', '{{ value_json["a"]["v w"][0] }}'),
        ("{prediction:.1f}", "{{ value }}"),
        (None, '{{ value_json["prediction"] }}'),
    ],
)
def test_home_assistant_is_told_where_the_prediction_is(payload: str | None, value: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    template = AnswerTemplate("t", payload, "home")
    source, found = sensor_source(template, config(), None)
    assert (source, found) == ("t", value)
    [(_, content)] = template.render(msgspec.json.encode(FULL))
    shown = jinja2.Environment().from_string(found).render(value=content.decode(), value_json=json.loads(content))
    assert float(shown) == pytest.approx(21.375, abs=0.05)


def test_the_example_of_the_guide_gives_what_it_says() -> None:
    text = STREAMS.read_text(encoding="utf-8")
    (block,) = [one for one in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "payload =" in one]
    (said,) = re.findall(r"```text\n(plant/[^\n]+)\n```", text)
    template = answer_template(convert(tomllib.loads(block), Config))
    assert template is not None
    answer = Prediction(412.7183, time=1767610800.0, key="press 3/b")
    [(topic, payload)] = template.render(msgspec.json.encode(answer))
    assert f"{topic} {payload.decode()}" == said
