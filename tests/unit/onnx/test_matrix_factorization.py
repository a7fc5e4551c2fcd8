"""What a recommender's ONNX file predicts from raw ids, beside the live learner."""

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import BPR, AutoRecommender, MatrixFactorization
from edgedescent.errors import ExportError, InvalidEventError
from edgedescent.optim import SGD
from edgedescent_onnx import OnnxAdapter

ONNX = OnnxAdapter()
# Ids that a careless encoding would change or mix up.
ODD = ["", " ", "7", "07", "a\0", "a\0b", "a", "A", "ünï", "日本", "-1", "0"]

Id = str | int
Rating = tuple[Id, Id, float]


def stream(seed: int, n: int) -> list[Rating]:
    """Ratings of a long tail of items by users named in every way."""
    rng = random.Random(seed)
    users: list[Id] = [*ODD, *range(20), *(f"user-{i}" for i in range(20))]
    items = [f"item-{int(rng.paretovariate(0.7)) % 1000}" for _ in range(n)]
    return [(rng.choice(users), item, float(rng.randint(1, 10))) for item in items]


def trained(ratings: list[Rating], **parameters: Any) -> MatrixFactorization:
    model = MatrixFactorization(**parameters)
    for user, item, y in ratings:
        model.learn_one(user, item, y)
    return model


def assert_agrees(model: MatrixFactorization | AutoRecommender, pairs: list[tuple[Id, Id]], scale: float = 0.0) -> None:
    live = [model.predict_one(user, item) for user, item in pairs]
    served = ONNX.predict(ONNX.export(model, {}), [{"user": u, "item": i} for u, i in pairs])
    np.testing.assert_allclose(served, live, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.parametrize("parameters", [{}, {"n_factors": 1, "optimizer": SGD(lr=0.05)}, {"n_factors": 33}])
def test_agrees_on_raw_ids(parameters: dict[str, Any]) -> None:
    model = trained(stream(1, 3000), **parameters)
    pairs = [(user, item) for user, item, _ in stream(2, 500)]
    unknown: list[tuple[Id, Id]] = [
        ("nobody", "item-1"),
        ("user-1", "nothing"),
        ("nobody", "nothing"),
        (10**30, -5),
    ]
    assert_agrees(model, [*pairs, *unknown])


@pytest.mark.parametrize("parameters", [{}, {"n_factors": 1}, {"users_max": 5, "items_max": 3}])
def test_the_ensemble_agrees_on_raw_ids(parameters: dict[str, Any]) -> None:
    model = AutoRecommender(**parameters)
    for user, item, y in stream(1, 2000):
        model.learn_one(user, item, y)
    pairs = [(user, item) for user, item, _ in stream(2, 300)]
    assert_agrees(model, [*pairs, ("nobody", "item-1"), ("user-1", "nothing"), ("nobody", "nothing")])


def test_agrees_when_rows_were_evicted_and_given_to_other_ids() -> None:
    model = trained(stream(3, 500), users_max=5, items_max=3)
    assert len(model.encoder.users) == 5
    assert_agrees(model, [(user, item) for user, item, _ in stream(4, 200)])


def test_predictions_stay_within_the_ratings_seen() -> None:
    model = trained([("fan", "hit", 5.0), ("critic", "flop", 1.0)] * 300, optimizer=SGD(lr=0.5))
    # Far outside: what the learner itself has to clip.
    model.model.user_rows.arrays[0][1, 0], model.model.user_rows.arrays[0][2, 0] = 1e6, -1e6
    assert ONNX.predict(ONNX.export(model, {}), [{"user": u, "item": "hit"} for u in ("fan", "critic")]) == [
        5,
        1,
    ]
    assert_agrees(model, [("fan", "hit"), ("critic", "flop"), ("nobody", "nothing")])


def test_an_unknown_id_is_predicted_like_a_newcomer() -> None:
    # Only every other rating is a newcomer's, and those are low: that is what is learned to expect of one.
    model = MatrixFactorization()
    for i in range(400):
        model.learn_one(f"new-{i}", "tea", 2.0)
        model.learn_one("regular", "tea", 5.0)
    file = ONNX.export(model, {})
    strangers = [{"user": f"stranger-{i}", "item": "tea"} for i in range(3)]
    served = ONNX.predict(file, [*strangers, {"user": "regular", "item": "tea"}])
    assert len(set(served[:3])) == 1
    assert served[0] < served[3] - 1.0
    assert model.state_dict()["user_rows"][0, 0] != 0.0  # type: ignore[call-overload]
    assert_agrees(model, [("stranger", "tea"), ("regular", "nothing"), ("stranger", "nothing")])


def test_the_average_is_served_not_the_last_iterate() -> None:
    ratings = stream(15, 1000)
    averaging = trained(ratings, optimizer=SGD(lr=0.05, average_rate=0.01))
    pairs = [(user, item) for user, item, _ in ratings[:200]]
    assert_agrees(averaging, [*pairs, ("nobody", "nothing")])
    last = trained(ratings, optimizer=SGD(lr=0.05))
    assert [averaging.predict_one(*pair) for pair in pairs] != [last.predict_one(*pair) for pair in pairs]


@pytest.mark.parametrize("parameters", [{}, {"optimizer": SGD(lr=0.1, average_rate=0.01), "users_max": 10}])
def test_a_ranking_from_interactions_agrees(parameters: dict[str, Any]) -> None:
    model = BPR(**parameters)
    interactions = [(user, item) for user, item, _ in stream(16, 2000)]
    for user, item in interactions:
        model.learn_one(user, item)
    pairs = [*interactions[:300], ("nobody", "item-1"), ("user-1", "nothing"), ("nobody", "nothing")]
    live = [model.predict_one(user, item) for user, item in pairs]
    served = ONNX.predict(ONNX.export(model, {}), [{"user": user, "item": item} for user, item in pairs])
    np.testing.assert_allclose(served, live, rtol=1e-9)
    assert served[-1] == 0.5


def test_an_integer_is_the_same_id_as_its_digits() -> None:
    file = ONNX.export(trained(stream(6, 500)), {})
    number, digits = ONNX.predict(file, [{"user": 7, "item": "item-1"}, {"user": "7", "item": "item-1"}])
    assert number == digits


def test_a_batch_is_served_like_its_single_rows() -> None:
    file = ONNX.export(trained(stream(7, 500)), {})
    events = [{"user": user, "item": item} for user, item, _ in stream(8, 20)]
    alone = [ONNX.predict(file, [event])[0] for event in events]
    np.testing.assert_allclose(ONNX.predict(file, events), alone, rtol=1e-12)
    assert ONNX.predict(file, []) == []


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_learner_that_learned_next_to_nothing_is_served(n: int) -> None:
    assert_agrees(trained(stream(9, n)), [("", ""), ("nobody", "nothing"), *[(u, i) for u, i, _ in stream(9, n)]])


def test_a_scale_that_is_almost_one_is_not_lost() -> None:
    # onnxruntime drops a product with a single constant that is 1 when rounded to 32 bits.
    ratings = stream(14, 500)
    model = trained(ratings)
    model.load_state_dict({**model.state_dict(), "target.variance": np.array([1.0 + 1e-8])})
    live = [model.predict_one(user, item) for user, item, _ in ratings]
    served = ONNX.predict(ONNX.export(model, {}), [{"user": user, "item": item} for user, item, _ in ratings])
    np.testing.assert_allclose(served, live, rtol=1e-13)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), st.integers()),
            st.one_of(st.sampled_from(ODD), st.integers(-3, 3)),
            st.floats(-1e6, 1e6),
        ),
        max_size=12,
    )
)
@settings(max_examples=40, deadline=None)
def test_agrees_on_any_stream(ratings: list[Rating]) -> None:
    pairs = [(user, item) for user, item, _ in ratings]
    assert_agrees(trained(ratings), pairs, max((abs(y) for *_, y in ratings), default=0.0))


def test_describes_both_inputs() -> None:
    described: dict[str, Any] = ONNX.describe(trained(stream(10, 10)))
    ports = [(port["name"], port["type"], port["shape"]) for port in described["inputs"]]
    assert ports == [("user", "tensor(string)", ["batch"]), ("item", "tensor(string)", ["batch"])]
    assert described["opsets"] == {"ai.onnx": 17, "ai.onnx.ml": 3}


def test_a_learner_that_diverged_is_refused() -> None:
    model = trained(stream(11, 50))
    model.model.item_rows.arrays[0][1, 3] = -math.inf
    with pytest.raises(ExportError, match="`item_factors` holds a value that is not finite"):
        ONNX.export(model, {})


def test_an_id_that_is_not_valid_unicode_is_refused() -> None:
    file = ONNX.export(trained(stream(12, 10)), {})
    with pytest.raises(InvalidEventError, match=r"'lone \\ud800' is not valid Unicode"):
        ONNX.predict(file, [{"user": "lone \ud800", "item": "tea"}])


@pytest.mark.parametrize("user", [None, 1.5, True, ["ann"]])
def test_what_is_no_id_is_refused(user: object) -> None:
    file = ONNX.export(trained(stream(13, 10)), {})
    with pytest.raises(InvalidEventError, match="must be a string or an integer") as caught:
        ONNX.predict(file, [{"user": user, "item": "tea"}])
    assert caught.value.reason == "invalid_id"
