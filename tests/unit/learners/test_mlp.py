"""The network: what it can learn that a linear model cannot, and what keeps its training alive."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.losses import PoissonLoss, SquaredLoss
from edgedescent.optim import SGD, Adam


def products(n: int, seed: int = 0) -> tuple[Any, Any]:
    """A target in which no feature has a linear effect: the continuous XOR."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, 5.0 * X[:, 0] * X[:, 1] + 100.0


def late_error(model: Any, X: Any, y: Any) -> float:
    return float(np.abs(model.learn_many(X, y) - y)[len(y) // 2 :].mean())


class TestLearning:
    @pytest.mark.parametrize("hidden", [(32,), (32, 16), (32, 16, 8)])
    def test_interactions_are_learned_that_a_linear_model_cannot(self, hidden: tuple[int, ...]) -> None:
        X, y = products(3000)
        assert late_error(MLPRegressor(hidden=hidden), X, y) < 0.25 * late_error(LinearRegressor(), X, y)

    def test_replay_is_what_makes_it_learn_in_few_events(self) -> None:
        X, y = products(2000)
        with_replay, without = (late_error(MLPRegressor(hidden=(32,), replay_steps=n), X, y) for n in (32, 0))
        assert with_replay < 0.5 * without

    def test_a_linear_stream_is_learned_through_the_skip_connection(self) -> None:
        rng = np.random.default_rng(1)
        X = rng.normal(size=(2000, 5))
        y = X @ [3.0, -2.0, 1.0, 0.0, 5.0]
        assert late_error(MLPRegressor(hidden=(8,)), X, y) < 0.3

    def test_pairs_of_categories_are_learned(self) -> None:
        rng = np.random.default_rng(2)
        level = {pair: rng.normal() for pair in itertools.product("abcd", "wxyz")}
        model, errors = MLPRegressor(hidden=(32,)), []
        for _ in range(3000):
            pair = tuple(str(rng.choice(list(letters))) for letters in ("abcd", "wxyz"))
            errors.append(abs(model.predict_learn_one({"p": pair[0], "q": pair[1]}, level[pair]) - level[pair]))
        assert np.mean(errors[2000:]) < 0.1

    def test_drifting_streams_are_followed_better_than_by_a_linear_model(self) -> None:
        synth = pytest.importorskip(
            "river.datasets.synth", reason="River is an extra: pip install 'edgedescent[river]'"
        )
        stream = synth.FriedmanDrift(drift_type="lea", position=(1000, 2000, 3000), seed=42).take(4000)
        rows = [(list(x.values()), y) for x, y in stream]
        X, y = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
        errors = [np.abs(m.learn_many(X, y) - y).mean() for m in (MLPRegressor(hidden=(32,)), LinearRegressor())]
        assert errors[0] < 0.7 * errors[1]

    def test_a_feature_that_appears_later_is_taken_up(self) -> None:
        rng = np.random.default_rng(3)
        model, errors = MLPRegressor(hidden=(32,)), []
        for i in range(4000):
            a, b = rng.normal(size=2)
            x = {"a": a, "b": b} if i >= 1000 else {"a": a}
            y = a + (2.0 * a * b if i >= 1000 else 0.0)
            errors.append(abs(model.predict_learn_one(x, y) - y))
        assert np.mean(errors[500:1000]) < 0.1
        assert np.mean(errors[3000:]) < 0.3

    def test_counts_are_learned_under_a_poisson_loss(self) -> None:
        rng = np.random.default_rng(4)
        X = rng.normal(size=(3000, 2))
        rate = np.exp(1.0 + np.abs(X[:, 0]))
        predictions = MLPRegressor(hidden=(16,), loss=PoissonLoss()).learn_many(X, rng.poisson(rate).astype(float))
        assert (predictions >= 0).all()
        assert np.abs(predictions - rate)[1500:].mean() < 0.35 * np.abs(rate - rate.mean())[1500:].mean()


class TestGradientNorm:
    def test_an_event_moves_the_weights_by_no_more_than_the_bound(self) -> None:
        X, y = products(50)
        for optimizer, bound in ((SGD(lr=1.0), 10.0), (SGD(lr=1.0, clip_norm=0.5), 0.5)):
            model = MLPRegressor(hidden=(64, 32), loss=SquaredLoss(), replay_steps=0, optimizer=optimizer)
            model.learn_many(X, y)
            before = self.weights(model)
            model.learn_one({"x0": 1e6, "x1": 1e6, "x2": 1e6}, 1e6)
            assert np.linalg.norm(self.weights(model) - before) == pytest.approx(bound)

    @staticmethod
    def weights(model: MLPRegressor) -> Any:
        state = model.state_dict()
        return np.concatenate([np.ravel(state[name]) for name in ("layer0", "layer1", "skip", "output")])

    def test_a_rate_that_explodes_without_the_bound_learns_with_it(self) -> None:
        X, y = products(3000)
        linear = late_error(LinearRegressor(), X, y)
        bounded, free = (
            late_error(
                MLPRegressor(hidden=(16,), optimizer=SGD(lr=0.05, clip_norm=norm), loss=SquaredLoss(), l2=0.0), X, y
            )
            for norm in (None, 1e9)
        )
        assert bounded < 0.25 * linear
        assert free > 1000 * linear


class TestDeadUnits:
    @staticmethod
    def with_dead_unit(**parameters: Any) -> MLPRegressor:
        model = MLPRegressor(hidden=(6, 4), replay_steps=8, replay_size=100, optimizer=Adam(lr=0.001), **parameters)
        X, y = products(20)
        model.learn_many(X, y)
        state = model.state_dict()
        # A bias that nothing can outweigh: the unit is silent whatever comes.
        state["layer0"][0, 2] = state["layer1"][0, 1] = -1e6  # type: ignore[call-overload]
        model.load_state_dict(state)
        return model

    def test_a_unit_that_is_silent_for_long_starts_anew(self) -> None:
        model = self.with_dead_unit()
        X, y = products(7000, seed=1)
        model.learn_many(X[:5000], y[:5000])
        assert model.model.n_restarts == 0
        # The second one may have been silent in some of the first 20 events already.
        assert model.model.silence[2] == 45_000
        assert 45_000 <= model.model.silence[7] <= 45_180
        model.learn_many(X[5000:], y[5000:])
        assert model.model.n_restarts >= 2
        state: Any = model.state_dict()
        assert abs(state["layer0"][0, 2]) < 10
        assert abs(state["layer1"][0, 1]) < 10
        assert (state["silence"] < 50_000).all()
        assert np.abs(state["layer1"][3]).max() > 0
        assert abs(state["output"][2, 0]) > 0

    def test_a_restart_changes_no_prediction_and_is_the_same_after_a_checkpoint(self) -> None:
        model = self.with_dead_unit()
        state: Any = model.state_dict()
        state["silence"][2] = 49_990
        model.load_state_dict(state)
        X, y = products(2, seed=2)
        resumed = model.clone(include_attributes=True)
        model.learn_many(X, y)
        resumed.learn_many(X[:1], y[:1])
        assert resumed.model.n_restarts == 0
        resumed = resumed.clone(include_attributes=True)
        resumed.learn_many(X[1:], y[1:])
        assert model.model.n_restarts == resumed.model.n_restarts == 1
        for name, value in model.state_dict().items():
            assert np.array(value).tobytes() == np.array(resumed.state_dict()[name]).tobytes()

    def test_what_a_restarted_unit_says_counts_for_nothing_at_first(self) -> None:
        model = self.with_dead_unit()
        state: Any = model.state_dict()
        state["silence"][2] = 49_999 - 8
        model.load_state_dict(state)
        X, y = products(1, seed=3)
        model.learn_many(X, y)
        after: Any = model.state_dict()
        assert model.model.n_restarts == 1
        assert not after["layer1"][3].any()
        assert not after["layer1.m"][3].any()
        assert after["layer0"][1:, 2].all()

    def test_a_state_with_other_units_is_refused(self) -> None:
        state = self.with_dead_unit().state_dict()
        with pytest.raises(ValueError, match="`silence` and `restarts` must be 10 counts"):
            MLPRegressor(hidden=(6, 4), replay_size=100, optimizer=Adam(lr=0.001)).load_state_dict(
                {**state, "silence": np.zeros(9, dtype=np.int64)}
            )


class TestReplay:
    def test_rows_may_go_to_other_features_while_old_events_are_replayed(self) -> None:
        rng = np.random.default_rng(5)
        model = MLPRegressor(hidden=(8,), features_max=4, replay_size=200, replay_steps=4)
        for i in range(1500):
            x = {f"f{rng.integers(20)}": rng.normal() for _ in range(3)} | {"site": f"s{i % 9}"}
            model.learn_one(x, rng.normal())
        assert model.encoder.vocabulary.evicted > 1000
        assert all(np.isfinite(v).all() for v in model.state_dict().values() if isinstance(v, np.ndarray))
        again = model.clone(include_attributes=True)
        assert again.predict_one({"f1": 1.0}) == model.predict_one({"f1": 1.0})

    @staticmethod
    def flipped(flip: bool, seed: int) -> tuple[Any, Any]:
        """A linear stream of 1500 events, after 1000 of which the effects of two features may turn around."""
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(1500, 4))
        weights = np.array([2.5, -2.0, 1.0, 0.5])
        y = X @ weights + 0.2 * rng.normal(size=1500)
        if flip:
            y[1000:] -= 2 * X[1000:, :2] @ weights[:2]
        return X, y

    @pytest.mark.parametrize("seed", [1, 2])
    def test_events_of_the_old_regime_are_let_go_after_a_flip(self, seed: int) -> None:
        X, y = self.flipped(True, seed)
        model, fresh = MLPRegressor(hidden=(16,)), MLPRegressor(hidden=(16,))
        errors = np.abs(model.learn_many(X, y) - y)[1000:]
        fresh_errors = np.abs(fresh.learn_many(X[1000:], y[1000:]) - y[1000:])
        assert model.counts()["replays_let_go"] == 1
        assert model.model.replay_buffer.held < 560
        assert errors[100:].mean() < 1.2 * fresh_errors[100:].mean()

    @pytest.mark.parametrize("kind", ["nothing", "noise", "outliers", "slow drift"])
    def test_neither_noise_nor_outliers_nor_a_slow_drift_make_it_let_go(self, kind: str) -> None:
        X, y = self.flipped(False, 3)
        rng = np.random.default_rng(4)
        if kind == "noise":
            y = y + np.where(np.arange(1500) < 1000, 1.0, 2.0) * rng.standard_t(3, size=1500)
        if kind == "outliers":
            y[rng.random(1500) < 0.01] += 60.0
        if kind == "slow drift":
            y -= np.linspace(0.0, 4.0, 1500) * X[:, 0]
        model = MLPRegressor(hidden=(16,))
        model.learn_many(X, y)
        assert model.counts()["replays_let_go"] == 0
        assert model.model.replay_buffer.held == 1500

    def test_what_was_observed_is_part_of_the_state(self) -> None:
        X, y = self.flipped(True, 1)
        model = MLPRegressor(hidden=(16,))
        model.learn_many(X[:1003], y[:1003])
        resumed = model.clone(include_attributes=True)
        for one in (model, resumed):
            one.learn_many(X[1003:1100], y[1003:1100])
        assert model.counts() == resumed.counts()
        assert model.counts()["replays_let_go"] == 1
        assert model.state_dict()["agreement"].tolist() == resumed.state_dict()["agreement"].tolist()  # type: ignore[union-attr]

    def test_a_state_with_impossible_errors_is_refused(self) -> None:
        model = MLPRegressor(hidden=(4,))
        with pytest.raises(ValueError, match="`agreement` must be 5 numbers >= 0"):
            model.load_state_dict({**model.state_dict(), "agreement": np.array([0.0, -1.0, 0.0, 0.0, 0.0])})

    def test_more_replay_than_events_is_no_problem(self) -> None:
        model = MLPRegressor(hidden=(4,), replay_size=1, replay_steps=20)
        for i in range(10):
            model.learn_one({"a": float(i)}, float(i))
        assert model.model.replay_buffer.n_pushed == 10

    @pytest.mark.parametrize(("hidden", "n_replayed"), [((2800, 2800), 8), ((4000, 2400), 6)])
    def test_a_large_network_replays_as_many_events_as_visit_a_bounded_number_of_weights(
        self, hidden: tuple[int, ...], n_replayed: int
    ) -> None:
        # One step a replayed event, so that the optimizer's steps count them.
        model = MLPRegressor(hidden=hidden, replay_steps=20, replay_batch=1, features_max=10)
        for i in range(2):
            model.learn_one({"a": float(i)}, float(i % 2))
            assert model.state_dict()["stepper"][1] == (i + 1) * (1 + n_replayed)


class TestSize:
    def test_a_network_may_have_ten_million_weights(self) -> None:
        assert MLPRegressor(hidden=(512, 512, 512), features_max=16_384).hidden == (512, 512, 512)
        with pytest.raises(ValueError, match=r"10000000 weights.*make it 4096 \* 2048 \+ 2048 \* 1024 = 10485760\."):
            MLPRegressor(hidden=(2048, 1024))
