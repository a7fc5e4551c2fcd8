"""What holds for every learner of named features, whatever its model."""

from __future__ import annotations

import copy
import inspect
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MLPRegressor
from edgedescent.learners import BPR, Learner, MatrixFactorization
from edgedescent.losses import LogisticLoss, PoissonLoss, SquaredLoss
from edgedescent.optim import SGD, Adam
from edgedescent.testing.support import bits
from edgedescent.validation import parameters

KINDS: list[Any] = [LinearRegressor, LogisticRegressor, FactorizationMachine, MLPRegressor]
SMALL: dict[Any, dict[str, Any]] = {FactorizationMachine: {"n_factors": 3}, MLPRegressor: {"hidden": (5, 4)}}

Event = tuple[dict[str, Any], float]


def make(kind: Any, **parameters: Any) -> Any:
    return kind(**{**SMALL.get(kind, {}), **parameters})


def events(n: int, seed: int = 0) -> list[Event]:
    """Numbers, categories and gaps; targets between 0 and 1, which every loss takes."""
    rng = np.random.default_rng(seed)
    stream: list[Event] = []
    for _ in range(n):
        x: dict[str, Any] = {name: rng.normal(50, 5) for name in "abc" if rng.random() < 0.9}
        x["site"] = rng.choice(["north", "south", "west"]).item()
        if rng.random() < 0.05:
            x["a"] = [None, math.nan, math.inf, 1e200][rng.integers(4)]
        stream.append((x, float(x["site"] == "north" or x.get("b", 50) > 55)))
    return stream


def learned(model: Any, n: int = 200, seed: int = 0) -> Any:
    for x, y in events(n, seed):
        model.learn_one(x, y)
    return model


class TestParameters:
    @pytest.mark.parametrize("kind", [*KINDS, MatrixFactorization, BPR])
    def test_every_parameter_is_documented_once(self, kind: type[Learner]) -> None:
        documentation = inspect.getdoc(kind) or ""
        arguments = documentation.split("Args:\n")[1].split("\n\n")[0]
        assert re.findall(r"^    (\w+):", arguments, re.MULTILINE) == list(parameters(kind))
        assert set(parameters(kind)) == set(inspect.signature(kind).parameters)

    @pytest.mark.parametrize("kind", KINDS)
    def test_parameters_come_back_and_make_an_equal_learner(self, kind: Any) -> None:
        model = make(kind, l1=0.1, categories=("hour",), hash_bits=4, seed=7)
        again = kind(**model.get_params())
        assert again.get_params() == model.get_params()
        assert repr(again) == repr(model)
        assert kind(**{**model.get_params(), "categories": ["hour"]}).categories == ("hour",)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("optimizer", "adam"),
            ("loss", "squared"),
            ("l1", -1.0),
            ("l2", math.nan),
            ("clip", 0.0),
            ("forgetting", 1.0),
            ("features_max", 0),
            ("when_full", "drop"),
            ("categories", "hour"),
            ("categories", (1,)),
            ("hash_bits", 0),
            ("hash_bits", 31),
            ("replay_size", 0),
            ("replay_steps", -1),
            ("seed", -1),
        ],
    )
    def test_what_is_out_of_range_is_refused_by_name(self, kind: Any, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=f"`{name}` of {kind.__name__} must be"):
            make(kind, **{name: value})

    @pytest.mark.parametrize(
        ("kind", "name", "value"),
        [
            (FactorizationMachine, "n_factors", 0),
            (FactorizationMachine, "l2_factors", -1.0),
            (FactorizationMachine, "init_scale", math.inf),
            (MLPRegressor, "hidden", ()),
            (MLPRegressor, "hidden", (8, 8, 8, 8)),
            (MLPRegressor, "hidden", 8),
            (MLPRegressor, "hidden", (0,)),
        ],
    )
    def test_a_learners_own_parameters_are_checked_too(self, kind: Any, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=f"`{name}` of {kind.__name__} must be"):
            kind(**{name: value})

    def test_a_loss_must_be_for_the_targets_of_the_learner(self) -> None:
        for kind in (LinearRegressor, MLPRegressor):
            with pytest.raises(ValueError, match=f"`loss` of {kind.__name__} must be one for numeric targets"):
                kind(loss=LogisticLoss())
        with pytest.raises(ValueError, match="`loss` of LogisticRegressor must be one for binary targets"):
            LogisticRegressor(loss=SquaredLoss())
        assert 0 < FactorizationMachine(loss=LogisticLoss()).predict_one({}) < 1


class TestState:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("replay_steps", [0, 3])
    def test_a_learner_goes_on_from_its_state_as_if_it_never_stopped(self, kind: Any, replay_steps: int) -> None:
        parameters = {"replay_steps": replay_steps, "replay_size": 50, "features_max": 5, "optimizer": Adam(lr=0.01)}
        straight = learned(learned(make(kind, **parameters)), seed=1)
        half = learned(make(kind, **parameters))
        resumed = make(kind, **parameters)
        resumed.load_state_dict(half.state_dict())
        assert bits(learned(resumed, seed=1)) == bits(straight)
        assert bits(learned(copy.deepcopy(half), seed=1)) == bits(straight)

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_seed_and_the_events_decide_everything(self, kind: Any) -> None:
        def run(seed: int) -> dict[str, bytes]:
            return bits(learned(make(kind, replay_steps=2, seed=seed)))

        assert run(1) == run(1)
        assert run(1) != run(2)

    @pytest.mark.parametrize("kind", KINDS)
    def test_predicting_leaves_no_trace(self, kind: Any) -> None:
        model = learned(make(kind, replay_steps=1, categories=("hour",)))
        before = bits(model)
        for x in ({}, {"a": 1e9}, {"new": 3.0, "site": "unheard of"}, {"hour": 7}, {"deep": {"a": {"b": 1}}}):
            model.predict_one(x)
        model.predict_many([[1.0, math.nan]], ["a", "new"])
        for x, y in ({"site": 3.0, "a": {1}}, 1.0), ({"a": 1.0}, "high"), ({1.5: 2.0}, 1.0):
            with pytest.raises(ValueError, match="must be"):
                model.learn_one(x, y)
        assert bits(model) == before

    @pytest.mark.parametrize("kind", KINDS)
    def test_what_predicts_is_the_average_where_one_is_kept(self, kind: Any) -> None:
        averaging = learned(make(kind, optimizer=SGD(lr=0.05, average_rate=0.01)))
        last = learned(make(kind, optimizer=SGD(lr=0.05)))
        # The same steps, whichever parameters predict.
        for name, value in last.state_dict().items():
            if name == "errors":
                # Those of the predictions.
                continue
            np.testing.assert_array_equal(averaging.state_dict()[name], value)
        x = events(1)[0][0]
        assert averaging.predict_one(x) != last.predict_one(x)


class TestGuards:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("lr", [1e2, 1e30, 1e300])
    @pytest.mark.parametrize("optimizer", [SGD, Adam])
    def test_an_absurd_learning_rate_leaves_everything_finite(self, kind: Any, lr: float, optimizer: Any) -> None:
        model = make(kind, optimizer=optimizer(lr=lr), replay_steps=2)
        for x, y in events(300):
            assert math.isfinite(model.predict_learn_one(x, y))
        assert all(np.isfinite(value).all() for value in model.state_dict().values() if isinstance(value, np.ndarray))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_poisoned_stream_costs_little(self, kind: Any) -> None:
        def error(poison: bool) -> float:
            rng, model, total = np.random.default_rng(5), make(kind), 0.0
            for i, (x, y) in enumerate(events(3000)):
                if i % 50 == 7:
                    bad = [math.nan, math.inf, 1e308, x.get("b", 1.0) * 1000][rng.integers(4)]
                    if poison:
                        model.learn_one({**x, "b": bad}, y)
                        model.learn_one(x, math.nan)
                    continue
                total += abs(model.predict_learn_one(x, y) - y)
            return total

        assert error(poison=True) < 1.2 * error(poison=False)

    @given(
        st.lists(
            st.tuples(
                st.dictionaries(
                    st.sampled_from("abcdef"),
                    st.one_of(st.none(), st.floats(), st.booleans(), st.integers(), st.text(max_size=2)),
                    max_size=5,
                ),
                st.floats(0, 1),
            ),
            max_size=30,
        ),
        st.sampled_from(KINDS),
    )
    @settings(max_examples=60, deadline=None)
    def test_no_event_makes_a_prediction_that_is_not_finite(self, stream: list[Event], kind: Any) -> None:
        model = make(kind, features_max=3, replay_steps=1, replay_size=5)
        for x, y in stream:
            before = model.predict_one(x)
            assert math.isfinite(before)
            assert model.predict_learn_one(x, y) == before
        again = make(kind, features_max=3, replay_steps=1, replay_size=5)
        again.load_state_dict(model.state_dict())
        assert bits(again) == bits(model)


class TestGradients:
    """One step of SGD moves a parameter by its derivative, which finite differences of the loss confirm."""

    @pytest.mark.parametrize(
        ("model", "tables"),
        [
            (LinearRegressor(loss=SquaredLoss(), l2=0.01, optimizer=SGD(lr=1e-3)), ["weights"]),
            (LinearRegressor(loss=PoissonLoss(), optimizer=SGD(lr=1e-3)), ["weights"]),
            (LogisticRegressor(optimizer=SGD(lr=1e-3)), ["weights"]),
            (
                FactorizationMachine(
                    n_factors=3, loss=SquaredLoss(), l2=0.01, l2_factors=0.02, init_scale=0.3, optimizer=SGD(lr=1e-3)
                ),
                ["weights"],
            ),
            (
                MLPRegressor(
                    hidden=(6, 5, 4), loss=SquaredLoss(), l2=0.01, replay_steps=0, optimizer=SGD(lr=1e-3, clip_norm=1e9)
                ),
                ["layer0", "layer1", "layer2", "skip", "output"],
            ),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Learner) else "",
    )
    def test_gradients_agree_with_finite_differences(self, model: Any, tables: list[str]) -> None:
        learned(model, 300)
        x, y = {"a": 47.0, "c": 56.0, "site": "north"}, 1.0
        state = model.state_dict()
        after = model.clone(include_attributes=True)
        after.learn_one(x, y)
        moved = after.state_dict()
        touched = [0] + [1 + state["features"].index(name) for name in ("a", "c", "site=north")]
        worst = 0.0
        for table in tables:
            rows = touched if len(state[table]) == len(state["features"]) + 1 else range(len(state[table]))
            for row in rows:
                for column in range(state[table].shape[1]):
                    step = (state[table][row, column] - moved[table][row, column]) / 1e-3
                    worst = max(worst, abs(step - self.derivative(model, state, table, (row, column), x, y)))
        assert worst < (1e-4 if isinstance(model, MLPRegressor) else 1e-5)

    def derivative(
        self, model: Any, state: dict[str, Any], table: str, at: tuple[int, int], x: dict[str, Any], y: float
    ) -> float:
        # The network rounds the weights of a state to single precision.
        single = isinstance(model, MLPRegressor)
        h = 2.0**-13 if single else 1e-5
        values, weights = [], []
        for shift in (h, -h):
            changed = {**state, table: np.array(state[table])}
            changed[table][at] += shift
            if single:
                changed[table][at] = np.float32(changed[table][at])
            weights.append(changed[table][at])
            other = model.clone()
            other.load_state_dict(changed)
            values.append(self.loss_of(other, changed, x, y))
        w = state[table][at]
        bias = at[0] == 0
        factor = isinstance(model, FactorizationMachine) and at[1] > 0
        penalty = 0.0 if bias else model.l2_factors * w if factor else model.l2 * w
        return (values[0] - values[1]) / (weights[0] - weights[1]) + penalty

    @staticmethod
    def loss_of(model: Any, state: dict[str, Any], x: dict[str, Any], y: float) -> float:
        prediction = model.predict_one(x)
        mean, variance = state["target.mean"][0], state["target.variance"][0]
        if model.loss.binary:
            return -y * math.log(prediction) - (1 - y) * math.log(1 - prediction)
        if isinstance(model.loss, PoissonLoss):
            return prediction / mean - y / mean * math.log(prediction / mean)
        return 0.5 * ((prediction - y) / math.sqrt(variance)) ** 2


class TestArrays:
    """What scikit-learn's users call the same things."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_partial_fit_and_predict_are_the_methods_for_many(self, kind: Any) -> None:
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(300, 4)), rng.random(300)
        X[rng.random(X.shape) < 0.1] = np.nan
        ours, theirs = make(kind), make(kind)
        ours.learn_many(X, y, list("abcd"))
        assert theirs.partial_fit(X, y, names=list("abcd")) is theirs
        assert bits(ours) == bits(theirs)
        np.testing.assert_array_equal(theirs.predict(X, list("abcd")), ours.predict_many(X, list("abcd")))
        row = {name: None if math.isnan(v) else float(v) for name, v in zip("abcd", X[5], strict=True)}
        assert theirs.predict(X[5:6], list("abcd"))[0] == theirs.predict_one(row)

    @pytest.mark.parametrize("kind", KINDS)
    def test_rows_are_learned_as_dicts_of_the_same_numbers_are(self, kind: Any) -> None:
        rng = np.random.default_rng(1)
        X, y = rng.normal(size=(200, 3)), rng.random(200)
        arrays, dicts = make(kind, replay_steps=1), make(kind, replay_steps=1)
        predictions = arrays.learn_many(X, y)
        one_by_one = [
            dicts.predict_learn_one({f"x{j}": float(v) for j, v in enumerate(row)}, t)
            for row, t in zip(X, y, strict=True)
        ]
        np.testing.assert_array_equal(predictions, one_by_one)
        assert bits(arrays) == bits(dicts)

    def test_no_rows_are_no_problem(self) -> None:
        model = LinearRegressor().partial_fit([], [], names=["a", "b"])
        assert (model.n_events, model.predict([], names=["a"]).shape) == (0, (0,))

    def test_shapes_that_do_not_fit_are_refused(self) -> None:
        model = LinearRegressor()
        with pytest.raises(ValueError, match="X has 2 rows but y has 1"):
            model.partial_fit([[1.0], [2.0]], [1.0])
        with pytest.raises(ValueError, match="array of 2 dimensions"):
            model.predict([1.0, 2.0])
