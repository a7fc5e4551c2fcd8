"""What a regression's ONNX file predicts from raw features, beside the live learner."""

import json
import math
import random
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.errors import ExportError, InvalidEventError
from edgedescent.optim import SGD
from edgedescent_onnx import OnnxAdapter

ONNX = OnnxAdapter()
NAMES = [f"sensor {i}" for i in range(8)]
# What sensors send besides numbers: nothing, infinities, integers beyond any float; and the learner's limit.
BROKEN = [None, math.nan, math.inf, -math.inf, 1e100, -1e100, 1e308, 10**400, 1e99, -1e99]

Features = dict[str, float | None]


def stream(seed: int, n: int) -> list[tuple[Features, float]]:
    """Events of which some lack features, some hold broken values, and some lie far outside the usual."""
    rng = random.Random(seed)
    events = []
    for _ in range(n):
        x: Features = {name: rng.gauss(100 * i, 1 + i) for i, name in enumerate(NAMES) if rng.random() < 0.9}
        y = 20.0 + sum(value or 0.0 for value in x.values()) + rng.gauss(0, 1)
        for name in x:
            if rng.random() < 0.05:
                x[name] = rng.choice([*BROKEN, 1e6, -1e6])
        events.append((x, y))
    return events


def trained(events: list[tuple[Features, float]], **parameters: Any) -> LinearRegressor:
    model = LinearRegressor(**parameters)
    for x, y in events:
        model.learn_one(x, y)
    return model


def assert_agrees(model: LinearRegressor, xs: list[Features], scale: float = 0.0) -> None:
    live = [model.predict_one(x) for x in xs]
    served = ONNX.predict(ONNX.export(model, {}), [{"x": x} for x in xs])
    np.testing.assert_allclose(served, live, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("parameters", [{}, {"optimizer": SGD(), "clip": 1.5, "l2": 0.01, "forgetting": 0.05}])
def test_agrees_on_raw_features(parameters: dict[str, Any]) -> None:
    model = trained(stream(1, 2000), **parameters)
    assert_agrees(model, [x for x, _ in stream(2, 500)])


def test_agrees_when_rows_were_evicted_and_given_to_other_features() -> None:
    model = trained(stream(3, 300), features_max=3)
    assert len(model.state_dict()["features"]) == 3
    assert_agrees(model, [x for x, _ in stream(4, 100)])


def test_a_batch_is_served_like_its_single_rows() -> None:
    model = trained(stream(5, 500))
    file = ONNX.export(model, {})
    events = [{"x": x} for x, _ in stream(6, 20)]
    alone = [ONNX.predict(file, [event])[0] for event in events]
    np.testing.assert_allclose(ONNX.predict(file, events), alone, rtol=1e-12)
    assert ONNX.predict(file, []) == []


def test_an_outlier_is_clipped_and_a_broken_value_counts_as_missing() -> None:
    model = trained([({"a": float(i % 7), "b": float(i % 5)}, float(i % 7)) for i in range(2000)])
    file = ONNX.export(model, {})
    far, farther, limit, missing, *broken = ONNX.predict(
        file, [{"x": {"a": value}} for value in (1e9, 1e99, -1e99, None, *BROKEN[:8])]
    )
    assert far == farther != missing
    assert limit < missing < far
    assert broken == [missing] * 8
    assert ONNX.predict(file, [{"x": {"unknown": 3.0}}, {"x": {}}]) == [missing, missing]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_learner_that_learned_next_to_nothing_is_served(n: int) -> None:
    assert_agrees(trained(stream(7, n)), [x for x, _ in stream(8, 20)])


def test_a_learner_without_features_predicts_the_same_for_every_row() -> None:
    model = trained([({}, float(i % 9)) for i in range(50)])
    assert model.predict_one({}) != 0.0
    assert_agrees(model, [{}, {"unknown": 1.0}, {}])
    assert ONNX.predict(ONNX.export(model, {}), []) == []


def test_a_feature_or_a_target_that_never_varied_is_served() -> None:
    assert_agrees(trained([({"a": 5.0}, 3.0)] * 10), [{"a": 5.0}, {"a": 1e6}])
    assert_agrees(trained([({"a": 5.0, "b": i}, float(i)) for i in range(10)]), [{"a": 6.0, "b": 2.0}])


@pytest.mark.parametrize("n_features", [1, 2])
def test_a_scale_that_is_almost_one_is_not_lost(n_features: int) -> None:
    # onnxruntime drops a product with a single constant that is 1 when rounded to 32 bits.
    model = trained([({f"x{j}": float(i * j + i) for j in range(n_features)}, float(i)) for i in range(50)])
    state = model.state_dict()
    for name in ("inputs.variance", "target.variance"):
        state[name] = np.full_like(state[name], 1.0 + 1e-8)
    model.load_state_dict(state)
    xs: list[Features] = [{"x0": i / 10, "x1": i / 7} for i in range(500)]
    live = [model.predict_one(x) for x in xs]
    np.testing.assert_allclose(ONNX.predict(ONNX.export(model, {}), [{"x": x} for x in xs]), live, rtol=1e-12)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(
                st.text(max_size=3),
                st.one_of(st.none(), st.floats(), st.floats(-100, 100), st.booleans(), st.integers()),
                max_size=4,
            ),
            st.floats(-1e6, 1e6),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_agrees_on_any_stream(events: list[tuple[Features, float]]) -> None:
    scale = max((abs(y) for _, y in events), default=0.0)
    assert_agrees(trained(events), [x for x, _ in events], scale)


def test_the_file_says_in_which_order_the_features_go() -> None:
    import onnx

    names = ["b", "a", 'quote " and \\', "température", "日本", ""]
    model = trained([({name: float(i) for name in names}, float(i)) for i in range(5)])
    file = ONNX.export(model, {"device": "greenhouse"})
    metadata = {entry.key: entry.value for entry in onnx.load_from_string(file).metadata_props}
    assert json.loads(metadata["features"]) == names
    assert metadata["device"] == "greenhouse"
    described: dict[str, Any] = ONNX.describe(model)
    (port,) = described["inputs"]
    assert (port["name"], port["type"], port["shape"]) == ("x", "tensor(double)", ["batch", 6])
    assert_agrees(model, [{"a": 1.0, "日本": 3.0}])


@pytest.mark.parametrize(
    ("table", "part", "named"),
    [
        ("model.weights", 0, "weighted_table"),
        ("encoder.scaler", 1, "mean"),
        ("encoder.scaler", 2, "highest"),
        ("model.target", 2, "weighted_table"),
    ],
)
def test_a_learner_that_diverged_is_refused(table: str, part: int, named: str) -> None:
    model = trained(stream(9, 50))
    attrgetter(table)(model).arrays[part][-1 if table == "model.target" else 2] = math.nan
    with pytest.raises(ExportError, match=f"`{named}` holds a value that is not finite") as caught:
        ONNX.export(model, {})
    assert "lower `lr`" in caught.value.hint


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"user": "ann"}, "no_features"),
        ({"x": 3.0}, "no_features"),
        ({"x": {NAMES[0]: b"20.1"}}, "not_a_number"),
    ],
)
def test_an_event_of_another_kind_is_refused(event: dict[str, object], reason: str) -> None:
    file = ONNX.export(trained(stream(10, 50)), {})
    with pytest.raises(InvalidEventError) as caught:
        ONNX.predict(file, [event])
    assert caught.value.reason == reason
