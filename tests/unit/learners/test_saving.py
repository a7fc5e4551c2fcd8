"""A learner is saved to a file and goes on from it; what is damaged or of another kind is refused."""

from __future__ import annotations

import io
import json
import math
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import edgedescent
from edgedescent import (
    BPR,
    AutoRecommender,
    AutoRegressor,
    FactorizationMachine,
    LinearRegressor,
    LogisticRegressor,
    MatrixFactorization,
    MLPRegressor,
)
from edgedescent.errors import StateError
from edgedescent.losses import PoissonLoss, SquaredLoss
from edgedescent.optim import SGD, Adam, MiniBatch
from edgedescent.optim.schedules import InverseScaling
from edgedescent.testing.events import events, learn
from edgedescent.testing.support import bits
from edgedescent_river import RiverRegressor

LEARNERS = [
    LinearRegressor(categories=("hour",), interval_levels=(0.9,)),
    LinearRegressor(optimizer=MiniBatch(optimizer=SGD(lr=0.1, schedule=InverseScaling()), size=4), loss=SquaredLoss()),
    LogisticRegressor(),
    FactorizationMachine(n_factors=4),
    MLPRegressor(hidden=(8, 4), replay_steps=2),
    AutoRegressor(budget="tiny", replay_size=50),
    MatrixFactorization(n_factors=4),
    BPR(n_factors=4),
]


def trained(learner: Any, n: int = 80) -> Any:
    model = learner.clone()
    learn(model, events(model, n))
    return model


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_a_saved_learner_goes_on_to_the_last_bit(learner: Any, tmp_path: Path) -> None:
    model = trained(learner)
    model.save(tmp_path / "model.npz")
    again = edgedescent.load(tmp_path / "model.npz")
    assert (type(again), again.get_params(), bits(again)) == (type(model), model.get_params(), bits(model))
    for each in (model, again):
        learn(each, events(model, 30, seed=5))
    assert bits(again) == bits(model)
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_numpy_keeps_a_state(learner: Any, tmp_path: Path) -> None:
    model = trained(learner)
    np.savez(tmp_path / "state.npz", **model.state_dict())
    again = learner.clone()
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        again.load_state_dict(state)
    assert bits(again) == bits(model)


def test_an_untrained_state_passes_through_numpy_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "state.npz", **LinearRegressor().state_dict())
    with np.load(tmp_path / "state.npz") as state:
        LinearRegressor().load_state_dict(state)


def test_what_was_seen_of_tables_and_classes_is_saved(tmp_path: Path) -> None:
    frame = pd.DataFrame({"temp": [1.0, 9.0] * 20, "site": ["a", "b"] * 20})
    for labels in (["cold", "warm"] * 20, [0, 1] * 20, [False, True] * 20, [2.0, 5.0] * 20):
        model = LogisticRegressor().fit(frame, labels, sample_weight=np.full(40, 0.7))
        model.save(tmp_path / "model")
        again = edgedescent.load(tmp_path / "model")
        assert isinstance(again, LogisticRegressor)
        assert again.classes_.tolist() == model.classes_.tolist()
        assert again.classes_.dtype == model.classes_.dtype
        assert again.predict(frame).tolist() == model.predict(frame).tolist()
        assert again.weight_left_ == model.weight_left_
        assert again.feature_names_in_.tolist() == ["temp", "site"]
    plain = LinearRegressor().fit([[1.0, 2.0]], [3.0])
    plain.save(tmp_path / "model")
    with pytest.raises(ValueError, match="is expecting 2 features"):
        edgedescent.load(tmp_path / "model").predict([[1.0]])


def test_equal_learners_give_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        trained(LinearRegressor()).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with np.load(tmp_path / "a", allow_pickle=False) as file:
        assert file["weights"].tolist() == trained(LinearRegressor()).state_dict()["weights"].tolist()


def test_a_model_of_river_is_saved(tmp_path: Path) -> None:
    model = RiverRegressor(model={"type": "linear_model.LinearRegression"})
    model.learn_one({"a": 1.0}, 2.0)
    model.save(tmp_path / "model")
    again: Any = edgedescent.load(tmp_path / "model")
    assert again.predict_one({"a": 1.0}) == model.predict_one({"a": 1.0})


def test_a_class_that_would_not_be_found_is_refused(tmp_path: Path) -> None:
    class Mine(LinearRegressor):
        pass

    with pytest.raises(ValueError, match=r"Mine cannot be saved.*entry point"):
        Mine().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    LinearRegressor().save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    with pytest.raises(OSError, match="No such file"):
        LinearRegressor().save(tmp_path / "absent" / "model")
    with pytest.raises(OSError, match=r"directory|exists"):
        LinearRegressor().save(tmp_path)
    assert (tmp_path / "model").read_bytes() == before


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    model = trained(LinearRegressor(), 20)
    model.save(path)
    content, right = path.read_bytes(), bits(model)
    dice = random.Random(4)
    for _ in range(150):
        at = dice.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :])
        try:
            again = edgedescent.load(path)
        except StateError:
            continue
        # Some bytes of an archive say nothing, such as the time of a file.
        assert bits(again) == right
    for length in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(StateError, match="is no saved learner, or it is damaged"):
            edgedescent.load(path)


def rewritten(path: Path, **changes: Any) -> None:
    """Change the header of a file, and nothing else."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["model.json"]) | changes
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(header) if name == "model.json" else content)
    path.write_bytes(buffer.getvalue())


def test_another_version_and_changed_content_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    trained(LinearRegressor()).save(path)
    rewritten(path, learner={"type": "LinearRegressor", "l2": 7.0})
    with pytest.raises(StateError, match="its checksum does not match"):
        edgedescent.load(path)
    rewritten(path, version=99, edgedescent="9.9.9")
    with pytest.raises(StateError, match=r"has version 99 of the format, written by EdgeDescent 9\.9\.9") as caught:
        edgedescent.load(path)
    assert caught.value.hint == "Install edgedescent==9.9.9."
    rewritten(path, surprise=1)
    with pytest.raises(StateError, match="is no saved learner"):
        edgedescent.load(path)
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(StateError, match="is no saved learner"):
        edgedescent.load(tmp_path / "other.npz")
    with pytest.raises(FileNotFoundError):
        edgedescent.load(tmp_path / "absent")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "model"
    LinearRegressor().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    data = io.BytesIO()
    np.save(data, np.array([{"evil": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, data.getvalue() if name == "weights.npy" else content)
    with pytest.raises(StateError, match="Object arrays cannot be loaded when allow_pickle=False"):
        edgedescent.load(path)


def test_another_process_reads_it(tmp_path: Path) -> None:
    model = trained(MLPRegressor(hidden=(4,), replay_steps=1))
    model.save(tmp_path / "model.npz")
    code = "import edgedescent; print(repr(edgedescent.load('model.npz').predict_one({'a': 1.0})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) == model.predict_one({"a": 1.0})


FEATURES: list[Any] = [
    LinearRegressor(),
    LinearRegressor(optimizer=Adam(average_rate=0.01)),
    LinearRegressor(loss=PoissonLoss(), optimizer=SGD(lr=0.01)),
    LogisticRegressor(),
    FactorizationMachine(n_factors=4, init_scale=0.3),
    MLPRegressor(hidden=(8,), replay_steps=2),
    MLPRegressor(hidden=(8, 6, 4), optimizer=Adam(), replay_steps=2),
    AutoRegressor(budget="tiny", replay_size=50),
]


@pytest.mark.parametrize("learner", FEATURES, ids=repr)
def test_contributions_add_up_to_the_prediction(learner: Any) -> None:
    model = learner.clone()
    rng = random.Random(6)
    for n in range(200):
        x = {"a": rng.random(), "b": rng.random(), "site": "north" if n % 3 else "south", "deep": {"c": n % 5}}
        y = 3.0 * x["a"] + x["b"] + (2.0 if n % 3 else 0.0)  # type: ignore[operator]
        model.learn_one(x, float(y > 3.0) if isinstance(model, LogisticRegressor) else y)
    before = bits(model)
    for x in (
        {"a": 0.9, "b": 0.1, "site": "north"},
        {"a": 0.5, "new": 7, "site": "east"},
        {},
        {"deep": {"c": 3}, "b": None},
    ):
        parts = model.explain_one(x)
        assert math.fsum(parts.values()) == pytest.approx(model.predict_one(x), abs=1e-12)
        assert next(iter(parts)) == "(intercept)"
    assert bits(model) == before
    high, low = model.explain_one({"a": 0.95, "b": 0.5}), model.explain_one({"a": 0.05, "b": 0.5})
    assert high["a"] > 0.0 > low["a"]
    assert model.explain_one(pd.Series({"a": 0.95, "b": 0.5})) == high


def test_contributions_to_a_prediction_of_river() -> None:
    model = RiverRegressor(model={"type": "linear_model.LinearRegression"})
    for n in range(200):
        model.learn_one({"a": n % 5, "b": n % 3}, 3.0 * (n % 5) - n % 3)
    parts = model.explain_one({"a": 2.0, "b": 1.0, "c": None})
    assert math.fsum(parts.values()) == pytest.approx(model.predict_one({"a": 2.0, "b": 1.0}), abs=1e-12)
    assert parts["a"] > 0.0 > parts["b"]


def test_contributions_of_a_linear_model_are_exact() -> None:
    model = LinearRegressor()
    rng = np.random.default_rng(8)
    X = rng.normal(size=(2000, 2))
    model.learn_many(X, 4.0 * X[:, 0] - 3.0 * X[:, 1] + 7.0, ["a", "b"])
    parts = model.explain_one({"a": 1.0, "b": 2.0})
    # Against the means, which are about 0.
    assert parts["a"] == pytest.approx(4.0, abs=0.3)
    assert parts["b"] == pytest.approx(-6.0, abs=0.3)
    assert parts["(intercept)"] == pytest.approx(7.0, abs=0.3)
    absent = model.predict_one({"b": 2.0})
    assert parts["a"] == pytest.approx(model.predict_one({"a": 1.0, "b": 2.0}) - absent, abs=1e-9)


def test_half_of_a_product_belongs_to_either_feature() -> None:
    model = FactorizationMachine(n_factors=3, init_scale=0.5)
    rng = np.random.default_rng(9)
    X = rng.normal(size=(3000, 2))
    model.learn_many(X, X[:, 0] * X[:, 1], ["a", "b"])
    x = {"a": 1.5, "b": 1.5}
    both, only_a, only_b, none = (model.predict_one(e) for e in (x, {"a": 1.5}, {"b": 1.5}, {}))
    parts = model.explain_one(x)
    # The Shapley values of a polynomial of degree two.
    assert parts["a"] == pytest.approx((only_a - none + both - only_b) / 2, abs=1e-9)
    assert parts["b"] == pytest.approx((only_b - none + both - only_a) / 2, abs=1e-9)
    assert parts["(intercept)"] == pytest.approx(none, abs=1e-9)


def test_contributions_of_a_network_are_those_of_its_gradient() -> None:
    model = MLPRegressor(hidden=(8, 6), replay_steps=4)
    rng = np.random.default_rng(9)
    X = rng.normal(size=(1000, 2))
    model.learn_many(X, np.abs(X[:, 0]) + X[:, 1], ["a", "b"])
    a, h = 0.7, 1e-6
    mean, deviation = float(X[:, 0].mean()), float(X[:, 0].std())
    slope = (model.predict_one({"a": a + h, "b": 0.3}) - model.predict_one({"a": a - h, "b": 0.3})) / (2 * h)
    z = model.encoder.encoded({"a": a})[1][0]
    assert z == pytest.approx((a - mean) / deviation, abs=0.1)
    scale = math.sqrt(model.state_dict()["inputs.variance"][1])
    assert model.explain_one({"a": a, "b": 0.3})["a"] == pytest.approx(slope * z * scale, rel=1e-4)


@pytest.mark.parametrize(
    "learner", [MatrixFactorization(n_factors=4), BPR(n_factors=4), AutoRecommender(n_factors=4)], ids=repr
)
def test_contributions_of_a_recommender(learner: Any) -> None:
    model = trained(learner, 300)
    users, items = model.encoder.users.keys(), model.encoder.items.keys()
    for user, item in (
        (users[0], items[0]),
        (users[1], items[-1]),
        ("nobody", items[0]),
        ("nobody", "nothing"),
        (7, 8),
    ):
        parts = model.explain_one(user, item)
        assert next(iter(parts)) == "(intercept)"
        assert set(parts) == {"(intercept)", "user", "item", "taste"}
        assert math.fsum(parts.values()) == pytest.approx(model.predict_one(user, item), abs=1e-12)
    assert model.explain_one("nobody", "nothing")["(intercept)"] == model.predict_one("nobody", "nothing")


@pytest.mark.parametrize("learner", LEARNERS, ids=repr)
def test_a_summary_says_what_was_learned(learner: Any) -> None:
    assert type(learner).__name__ in learner.clone().summary()
    text = trained(learner).summary()
    assert type(learner).__name__ in text
    assert "80" in text
    assert "nan" not in text
