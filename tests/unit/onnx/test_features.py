"""What the ONNX files of all learners of features predict from raw events, beside the live learners."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MLPRegressor
from edgedescent.errors import ExportError, InvalidEventError
from edgedescent.losses import LogisticLoss, PoissonLoss, SquaredLoss
from edgedescent.optim import SGD, Adam
from edgedescent_onnx import OnnxAdapter

ONNX = OnnxAdapter()
AVERAGED = Adam(lr=0.02, average_rate=0.01)

MODELS: list[tuple[Any, dict[str, Any]]] = [
    (LinearRegressor, {}),
    (LinearRegressor, {"loss": PoissonLoss(), "optimizer": AVERAGED}),
    (LogisticRegressor, {}),
    (LogisticRegressor, {"optimizer": AVERAGED, "clip": 1.0}),
    (FactorizationMachine, {"n_factors": 1, "init_scale": 0.5}),
    (FactorizationMachine, {"n_factors": 7, "optimizer": AVERAGED}),
    (FactorizationMachine, {"loss": LogisticLoss()}),
    (FactorizationMachine, {"loss": PoissonLoss()}),
    (MLPRegressor, {"hidden": (8,)}),
    (MLPRegressor, {"hidden": (8, 1, 4), "loss": SquaredLoss()}),
    (MLPRegressor, {"hidden": (6, 5), "optimizer": SGD(average_rate=0.01)}),
    (MLPRegressor, {"hidden": (4,), "loss": PoissonLoss()}),
]


def make(model: tuple[Any, dict[str, Any]], **parameters: Any) -> Any:
    kind, own = model
    return kind(**own, **parameters)


def event(rng: random.Random) -> dict[str, Any]:
    x: dict[str, Any] = {f"s{i}": rng.gauss(100 * i, 1 + i) for i in range(4) if rng.random() < 0.9}
    if rng.random() < 0.9:
        x["site"] = rng.choice(["north", "south", "", "a=b", "日本", "7", "nul\0", "nul"])
    x["hour"] = rng.randrange(24)
    x["pump"] = {"kind": rng.choice("abc"), "hot": rng.random() < 0.5, "load": rng.random()}
    if rng.random() < 0.1:
        x["s1"] = rng.choice([None, math.nan, math.inf, 1e200, 10**400, 1e9, "text"])
    return x


def trained(model: Any, n: int, seed: int = 0) -> Any:
    rng = random.Random(seed)
    for _ in range(n):
        x = event(rng)
        y = (x["hour"] + 10 * (x.get("site") == "north") + 10 * x["pump"]["load"]) / 50
        model.learn_one(x, y if model.loss.binary else 50 * y)
    return model


def assert_agrees(model: Any, xs: list[dict[str, Any]], rtol: float = 1e-9) -> None:
    live = [model.predict_one(x) for x in xs]
    served = ONNX.predict(ONNX.export(model, {}), [{"x": x} for x in xs])
    np.testing.assert_allclose(served, live, rtol=rtol)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model[0].__name__} {model[1]}")
@pytest.mark.parametrize("n", [0, 1, 2, 600])
def test_agrees_on_numbers_categories_gaps_and_nesting(model: Any, n: int) -> None:
    learner = trained(make(model, categories=("hour",)), n)
    rng = random.Random(1)
    strange = [{}, {"site": "unheard of"}, {"hour": "3"}, {"hour": 99}, {"new": 1.0}, {"pump": {}}, {"s0": -1e9}]
    xs = [*(event(rng) for _ in range(100)), *strange]
    assert_agrees(learner, xs)
    file = ONNX.export(learner, {})
    alone = [ONNX.predict(file, [{"x": x}])[0] for x in xs[:5]]
    np.testing.assert_allclose(ONNX.predict(file, [{"x": x} for x in xs[:5]]), alone, rtol=1e-12)
    assert ONNX.predict(file, []) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model[0].__name__} {model[1]}")
@pytest.mark.parametrize("kept", [["site"], ["hour", "site"], ["s0"], ["s0", "s1", "pump"], []])
def test_agrees_whatever_kind_of_features_there_is(model: Any, kept: list[str]) -> None:
    rng = random.Random(2)
    learner = make(model, categories=("hour",))
    xs = [{name: x[name] for name in kept if name in x} for x in (event(rng) for _ in range(200))]
    for i, x in enumerate(xs):
        learner.learn_one(x, i % 5 / 4)
    assert_agrees(learner, [*xs[:50], {}, {"site": "unheard of"}])


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4], MODELS[8]], ids=lambda model: model[0].__name__)
def test_agrees_when_rows_were_evicted_and_given_to_other_features(model: Any) -> None:
    learner = trained(make(model, features_max=7), 500)
    assert learner.encoder.vocabulary.evicted > 100
    rng = random.Random(3)
    assert_agrees(learner, [event(rng) for _ in range(100)])


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=lambda model: model[0].__name__)
def test_agrees_where_a_score_is_bounded(model: Any) -> None:
    learner = trained(make(model), 200)
    state = learner.state_dict()
    state["weights"] *= 9e99 / np.abs(state["weights"]).max()
    learner.load_state_dict(state)
    rng = random.Random(6)
    xs = [event(rng) for _ in range(50)]
    deviation = math.sqrt(learner.state_dict()["target.variance"][0])
    assert max(abs(learner.predict_one(x)) for x in xs) == pytest.approx(1e100 * deviation)
    assert_agrees(learner, xs)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=2),
                st.one_of(
                    st.none(),
                    st.floats(-100, 100),
                    st.booleans(),
                    st.integers(-3, 3),
                    st.text(st.characters(exclude_categories=["Cs"]), max_size=2),
                ),
                max_size=4,
            ),
            st.floats(0, 1),
        ),
        max_size=10,
    ),
    st.sampled_from([MODELS[0], MODELS[2], MODELS[4], MODELS[9]]),
)
@example([({"a": 7.6e-167}, 0.5), ({"b": 1.0}, 0.2), ({"a": 7.6e-167}, 1.0), ({}, 0.0)], MODELS[4])
@settings(max_examples=60, deadline=None)
def test_agrees_on_any_stream(stream: list[tuple[dict[str, Any], float]], model: Any) -> None:
    learner = make(model)
    for x, y in stream:
        learner.learn_one(x, y)
    live = [learner.predict_one(x) for x, _ in stream]
    served = ONNX.predict(ONNX.export(learner, {}), [{"x": x} for x, _ in stream])
    np.testing.assert_allclose(served, live, rtol=1e-9, atol=1e-12)


def test_the_card_lists_each_category_and_its_input() -> None:
    learner = LinearRegressor(categories=("hour",))
    learner.learn_one({"temp": 20.1, "site": "north", "hour": 3, "pump": {"kind": "a"}}, 1.0)
    described: Any = ONNX.describe(learner)
    assert [(port["name"], port["type"], port["shape"]) for port in described["inputs"]] == [
        ("x", "tensor(double)", ["batch", 1]),
        ("category_0", "tensor(string)", ["batch"]),
        ("category_1", "tensor(string)", ["batch"]),
        ("category_2", "tensor(string)", ["batch"]),
    ]
    assert "`site`" in described["inputs"][1]["meaning"]
    metadata = described["metadata"]
    assert metadata["features"] == ["temp"]
    assert metadata["categories"] == {
        "site": "category_0",
        "hour": "category_1",
        "pump.kind": "category_2",
    }
    assert metadata["integer_categories"] == ["hour"]


def test_what_means_missing_is_no_known_value() -> None:
    learner = LinearRegressor(categories=("site", "kind"))
    for i in range(300):
        learner.learn_one({"site": ("", "?", "north")[i % 3], "kind": "??"}, float(i % 3))
    assert ONNX.describe(learner)["metadata"]["missing"] == "???"  # type: ignore[index]
    assert_agrees(learner, [{}, {"site": ""}, {"site": "?"}, {"kind": "??"}, {"site": None}])


TEXTS = [
    "21.5",
    "-3",
    "1e400",
    "ON",
    "false",
    "unavailable",
    "",
    "NaN",
    "49,31",
    "north",
    "a=b",
    None,
    2.5,
    [1, "2", "x"],
]


@pytest.mark.parametrize("decimal_comma", [False, True])
def test_agrees_on_texts_that_stand_for_something_else(decimal_comma: bool) -> None:
    learner = LinearRegressor(decimal_comma=decimal_comma, categories=("zip",))
    rng = random.Random(3)

    def some() -> dict[str, Any]:
        # Names that are escaped in the learner's state are among them.
        return {name: rng.choice(TEXTS) for name in ("a", "a=b", "#", "k\\")} | {"zip": rng.choice(["007", "on", ""])}

    for _ in range(300):
        learner.learn_one(some(), rng.random())
    assert_agrees(learner, [some() for _ in range(50)])
    metadata = ONNX.describe(learner)["metadata"]
    assert {"a", "a=b", "#", "k\\"} <= set(metadata["features"])  # type: ignore[index]
    assert {"a", "a=b", "#", "k\\", "zip"} <= set(metadata["categories"])  # type: ignore[index]


def test_agrees_on_a_feature_that_is_left_out() -> None:
    learner = LinearRegressor()
    for i in range(1200):
        learner.learn_one({"at": f"12:{i}", "temp": float(i % 7)}, float(i % 7))
    assert learner.left_out() == ["at"]
    assert_agrees(learner, [{"at": f"12:{i}", "temp": 3.0} for i in (0, 900, 1100, 5000)])


def test_a_hash_cannot_be_exported() -> None:
    learner = LinearRegressor(hash_bits=8)
    learner.learn_one({"temp": 1.0}, 1.0)
    assert_agrees(learner, [{"temp": 2.0}])
    learner.learn_one({"temp": 1.0, "site": "north"}, 1.0)
    for call in (lambda: ONNX.export(learner, {}), lambda: ONNX.describe(learner)):
        with pytest.raises(ExportError, match="share rows by a hash that ONNX cannot compute") as caught:
            call()
        assert "Leave `hash_bits` out" in caught.value.hint


def test_the_average_is_served_not_the_last_iterate() -> None:
    averaging = trained(LinearRegressor(optimizer=AVERAGED), 300)
    last = trained(LinearRegressor(optimizer=Adam(lr=0.02)), 300)
    x = event(random.Random(4))
    served = ONNX.predict(ONNX.export(averaging, {}), [{"x": x}])[0]
    assert served == pytest.approx(averaging.predict_one(x), rel=1e-12)
    assert served != pytest.approx(last.predict_one(x), rel=1e-6)


@pytest.mark.parametrize("value", [b"5", object(), 1.5])
def test_what_the_learner_refuses_is_refused(value: object) -> None:
    learner = LinearRegressor(categories=("hour",))
    learner.learn_one({"hour": 3, "temp": 1.0}, 1.0)
    file = ONNX.export(learner, {})
    with pytest.raises(InvalidEventError, match="'hour' must be") as caught:
        ONNX.predict(file, [{"x": {"hour": value}}])
    assert caught.value.reason == "not_a_number"


def test_text_that_is_not_valid_unicode_is_refused() -> None:
    learner = LinearRegressor()
    learner.learn_one({"site": "north"}, 1.0)
    with pytest.raises(InvalidEventError, match=r"'lone \\ud800' is not valid Unicode"):
        ONNX.predict(ONNX.export(learner, {}), [{"x": {"site": "lone \ud800"}}])
