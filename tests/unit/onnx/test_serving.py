"""What serves a snapshot reads raw events as the learner does, with NumPy alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgedescent
from edgedescent import AutoRegressor, LinearRegressor, MatrixFactorization
from edgedescent.errors import ExportError
from edgedescent.features import _text
from edgedescent_onnx import prepare, serving
from edgedescent_onnx.serving import text_value

CASES: dict[str, tuple[LinearRegressor, list[Any]]] = {
    "a number that is unavailable at times": (LinearRegressor(), [21.5, "21.5", "unavailable", "", "on", 19]),
    "a number and its text": (LinearRegressor(), ["3", 3, 3.0, " 3 ", "3e0", 4]),
    "null beside a category None": (LinearRegressor(), [None, "None", "north", "none", "null"]),
    "a category that is a number": (LinearRegressor(categories=("v",)), ["3", 3, 4, "north", None, True]),
    "nested events": (LinearRegressor(), [{"a": 1, "b": "x"}, {"a": {"c": "2"}}, [1, "north"], 4, "north"]),
}


def served(file: bytes, events: list[Any], *further: Any) -> list[float]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs = prepare(session.get_modelmeta().custom_metadata_map, events, *further)
    return [float(value) for value in session.run(["prediction"], inputs)[0]]


@pytest.mark.parametrize("name", ["v", "k=v", "#v", "v\\"])
@pytest.mark.parametrize("case", CASES)
def test_raw_events_are_served_as_the_learner_predicts_them(case: str, name: str) -> None:
    learner, values = CASES[case]
    model = learner.clone({"categories": (name,)} if learner.categories else None)
    dice = random.Random(1)
    events: list[dict[str, Any]] = [{name: dice.choice(values), "w": n % 5} for n in range(300)]
    for n, x in enumerate(events):
        model.learn_one(x, float(n % 7) + 3.0 * values.index(x[name]))
    events += [{}, {name: "never"}, {"w": "3"}, {name: None}, {name: {"a": 1, "b": "x"}, f"{name}.a": 7}]
    np.testing.assert_allclose(served(edgedescent.to_onnx(model), events), [model.predict_one(x) for x in events])


def test_labels_and_ids_are_served() -> None:
    auto = AutoRegressor(budget="tiny")
    for n in range(100):
        auto.learn_one({"a": n % 3}, float(n % 3))
    expected = [auto.predict_one({"a": 1}), auto.with_labels([2.0]).predict_one({"a": 1})]
    file = edgedescent.to_onnx(auto)
    np.testing.assert_allclose(
        [served(file, [{"a": 1}], labels)[0] for labels in ([], [2.0, None])], expected, rtol=1e-6
    )
    ranker = MatrixFactorization()
    ranker.learn_one("7", "tea", 5.0)
    ranker.learn_one("ann", 8, 3.0)
    pairs: list[tuple[Any, Any]] = [(7, "tea"), ("ann", "8"), ("nobody", 1)]
    got = served(edgedescent.to_onnx(ranker), [{"user": user, "item": item} for user, item in pairs])
    np.testing.assert_allclose(got, [ranker.predict_one(*pair) for pair in pairs])


@pytest.mark.parametrize(
    ("events", "labels", "message"),
    [
        ([[1.0]], (), "must map names to values"),
        ([{"a": b"5"}], (), "'a' must be a number or a string"),
        ([{"new": object()}], (), "'new' must be a number or a string"),
        ([{"zip": 1.5}], (), "category 'zip' must be no fraction"),
        ([{"a": 1.0}], [2.0], "LinearRegressor takes no labels. Got 1"),
    ],
)
def test_wrong_events_are_refused(events: Any, labels: Any, message: str) -> None:
    metadata = {"features": '["a"]', "categories": "{}", "integer_categories": '["zip"]', "learner": "LinearRegressor"}
    with pytest.raises(ValueError, match=message):
        prepare({**metadata, "missing": ""}, events, labels)


@pytest.mark.parametrize("event", [{"user": True, "item": "a"}, {"user": "a"}, {"user": "a", "item": 1.5}])
def test_wrong_ids_are_refused(event: Any) -> None:
    with pytest.raises(ValueError, match=r"id of a rating must be a string or an integer"):
        prepare({}, [event])


PIECES = st.sampled_from(
    [
        *"0123456789+-.,eE \t\n",
        "on",
        "OFF",
        "true",
        "none",
        "NaN",
        "inf",
        "n/a",
        "#N/A",
        "<na>",
        "unknown",
        "x",
        "é",
        "\0",
    ]
)


@given(st.one_of(st.text(max_size=4), st.lists(PIECES, max_size=6).map("".join)), st.booleans())
def test_texts_mean_what_they_mean_to_the_learner(text: str, decimal_comma: bool) -> None:
    ours, theirs = text_value(text, decimal_comma), _text.text_value(text, decimal_comma)
    assert (type(ours), ours) == (type(theirs), theirs)


@pytest.mark.parametrize("length", [63, 64, 65, 200])
def test_long_texts_mean_what_they_mean_to_the_learner(length: int) -> None:
    for text in ("1" * length, " " * 300 + "1" * length, "0." + "1" * (length - 2)):
        assert text_value(text) == _text.text_value(text)


def test_the_file_needs_numpy_alone(tmp_path: Path) -> None:
    (tmp_path / "serving.py").write_text(Path(serving.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    metadata = {"features": '["temp"]', "categories": "{}", "missing": ""}
    code = (
        f"import sys, json; from serving import prepare; print(prepare({metadata!r}, [{{'temp': '3'}}])['x'].tolist());"
        "print(json.dumps([name for name in ('edgedescent', 'msgspec', 'onnx', 'onnxruntime') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; sys.path.insert(0, '.');" + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[[3.0]]", "[]"]


def test_preparing_events_imports_nothing_else() -> None:
    code = "import sys, edgedescent_onnx; edgedescent_onnx.prepare; print('edgedescent' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_export_is_written(tmp_path: Path) -> None:
    model = LinearRegressor()
    model.learn_one({"temp": 20.1}, 3.2)
    content = edgedescent.to_onnx(model, tmp_path / "model.onnx", metadata={"device": "greenhouse"})
    assert (tmp_path / "model.onnx").read_bytes() == content
    assert served(content, [{"temp": "20.1"}, {}]) == [model.predict_one({"temp": 20.1}), model.predict_one({})]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["device"] == "greenhouse"
    hashed = LinearRegressor(hash_bits=4)
    hashed.learn_one({"site": "north"}, 1.0)
    with pytest.raises(ExportError, match="share rows by a hash"):
        edgedescent.to_onnx(hashed)
    assert json.loads(session.get_modelmeta().custom_metadata_map["features"]) == ["temp"]
