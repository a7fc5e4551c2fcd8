"""What single peers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.errors import ConfigError
from edgedescent_sims.peers.baselines import Baseline, LastValue, RunningMean, SeasonalLastValue
from edgedescent_sims.peers.popularity import Popularity
from edgedescent_sims.peers.river_linear import RiverLinear
from edgedescent_sims.peers.river_ratings import RiverBiasedMF
from edgedescent_sims.peers.sgbr import SGBR
from edgedescent_sims.peers.vowpal_wabbit import VowpalWabbit

LABELS = st.lists(st.floats(width=64, allow_nan=True, allow_infinity=True), max_size=40)
BASELINES: list[Callable[[], Baseline]] = [
    LastValue,
    lambda: SeasonalLastValue(period=1),
    lambda: SeasonalLastValue(period=5),
    RunningMean,
    lambda: RunningMean(decay=0.9),
]


class TestBaselines:
    @pytest.mark.parametrize("make", BASELINES)
    @given(labels=LABELS, cut=st.integers(0, 40))
    def test_many_give_the_predictions_of_one_by_one(
        self, make: Callable[[], Baseline], labels: list[float], cut: int
    ) -> None:
        one, many = make(), make()
        expected = [one.predict_learn_one({}, y) for y in labels]
        parts = (labels[:cut], labels[cut:])
        got = [many.learn_many(np.zeros((len(part), 2)), np.array(part), ["a", "b"]) for part in parts]
        assert np.concatenate(got).tolist() == expected
        assert many.predict_one({}) == one.predict_one({})
        assert many.n_skipped_targets == one.n_skipped_targets

    def test_ratings_work_as_well(self) -> None:
        peer = RunningMean()
        assert [peer.predict_learn_one("u", "i", y) for y in (2.0, 4.0, 9.0)] == [0.0, 2.0, 3.0]

    def test_forgetting_follows_a_new_level(self) -> None:
        peer = RunningMean(decay=0.5)
        peer.learn_labels([0.0, 8.0])
        assert peer.predict_one({}) == 8.0 / 1.5


class TestPopularity:
    def test_forgetting_puts_the_latest_first(self) -> None:
        stream = [("u", "old")] * 5 + [("u", "new")] * 3
        for decay, best in ((1.0, "old"), (0.5, "new")):
            peer = Popularity(decay=decay)
            for user, item in stream:
                peer.learn_one(user, item, 5.0)
            assert peer.recommend("somebody", k=1) == [best]

    def test_counts_that_are_scaled_down_rank_as_before(self) -> None:
        peer = Popularity(decay=0.5)
        for number in range(2000):
            peer.learn_one("u", f"i{number % 3}", 1.0)
        assert peer.recommend("somebody") == ["i1", "i0", "i2"]

    def test_what_the_user_has_is_left_out_unless_it_is_asked_for(self) -> None:
        peer = Popularity()
        for item in ("a", "a", "b", "c"):
            peer.learn_one("u", item, 5.0)
        peer.learn_one("other", "d", 5.0)
        assert peer.recommend("u") == ["d"]
        assert peer.recommend("u", k=2, exclude_seen=False) == ["a", "b"]
        assert peer.recommend("nobody", k=3) == ["a", "b", "c"]

    def test_only_liked_items_count(self) -> None:
        peer = Popularity(liked_from=4.0)
        for item, y in (("bad", 1.0), ("bad", 1.0), ("good", 5.0)):
            peer.learn_one("u", item, y)
        assert peer.recommend("nobody", k=1) == ["good"]

    def test_the_rating_is_the_shrunken_mean(self) -> None:
        peer = Popularity(shrinkage=2.0)
        for item, y in (("a", 5.0), ("a", 5.0), ("b", 2.0)):
            peer.learn_one("u", item, y)
        assert peer.predict_one("u", "a") == (10.0 + 2.0 * 4.0) / 4.0
        assert peer.predict_one("u", "unknown") == 4.0

    def test_a_k_below_one_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"must be an integer >= 1\. Got 0"):
            Popularity().recommend("u", k=0)

    def test_nothing_learned_is_nothing_recommended(self) -> None:
        assert Popularity().recommend("u") == []


class TestRiver:
    def test_the_linear_peer_is_rivers_own_pipeline(self) -> None:
        linear_model = pytest.importorskip("river.linear_model")
        from river import optim, preprocessing

        own = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.Adam(0.1))
        peer = RiverLinear()
        for x, y in _numbers():
            assert peer.predict_one(x) == own.predict_one(x)
            peer.learn_one(x, y)
            own.learn_one(x, y)

    def test_texts_are_learned(self) -> None:
        pytest.importorskip("river")
        peer = RiverLinear()
        for number in range(2000):
            peer.learn_one({"a": 1.0, "site": "north" if number % 2 else "south"}, float(number % 2))
        assert peer.predict_one({"a": 1.0, "site": "north"}) > 0.8
        assert peer.predict_one({"a": 1.0, "site": "south"}) < 0.2

    def test_an_unknown_optimizer_is_refused(self) -> None:
        with pytest.raises(ValueError, match="The `optimizer` of RiverLinear must be one of"):
            RiverLinear(optimizer="Adan")  # type: ignore[arg-type]

    def test_biased_mf_predicts_as_rivers_own(self) -> None:
        reco = pytest.importorskip("river.reco")
        from river import optim

        own = reco.BiasedMF(
            n_factors=10,
            bias_optimizer=optim.SGD(0.025),
            latent_optimizer=optim.SGD(0.025),
            latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=71),
        )
        peer = RiverBiasedMF()
        for number in range(300):
            event = (f"u{number * 7 % 13}", f"i{number * 5 % 11}")
            assert peer.predict_one(*event) == own.predict_one(*event)
            peer.learn_one(*event, float(number % 5))
            own.learn_one(*event, float(number % 5))
        scores = {item: peer.predict_one("u1", item) for item in own.i_biases}
        ranked = peer.recommend("u1", k=11, exclude_seen=False)
        assert ranked == sorted(scores, key=scores.__getitem__, reverse=True)


class TestSGBR:
    def test_the_scale_of_the_target_does_not_matter(self) -> None:
        pytest.importorskip("samlb")
        small, large = SGBR(), SGBR()
        for x, y in _numbers():
            # A power of two scales all numbers exactly.
            assert large.predict_learn_one(x, 1024.0 * y) == 1024.0 * small.predict_learn_one(x, y)

    def test_a_missing_feature_counts_as_zero(self) -> None:
        pytest.importorskip("samlb")
        peer = SGBR()
        for x, y in _numbers():
            peer.learn_one(x, y)
        assert peer.predict_one({"a": 1.0}) == peer.predict_one({"a": 1.0, "b": 0.0})


class TestVowpalWabbit:
    def test_options_it_does_not_know_are_one_line(self) -> None:
        pytest.importorskip("vowpalwabbit")
        with pytest.raises(ConfigError, match="The `options` of VowpalWabbit are '--no_such_option'") as caught:
            VowpalWabbit(options="--no_such_option").start()
        assert "\n" not in str(caught.value)

    def test_options_that_predict_something_else_are_refused(self) -> None:
        pytest.importorskip("vowpalwabbit")
        with pytest.raises(ConfigError, match="it must predict one number"):
            VowpalWabbit(options="--oaa 3").start()


def test_an_event_that_cannot_be_used_is_one_line() -> None:
    pytest.importorskip("river")
    with pytest.raises(ValueError, match="The peer RiverLinear cannot learn this event: TypeError") as caught:
        RiverLinear().learn_one({"a": {"nested": 1.0}}, 1.0)
    assert "\n" not in str(caught.value)


def _numbers() -> list[tuple[dict[str, float], Any]]:
    draws = np.random.default_rng(5)
    rows = draws.normal(size=(200, 2)).tolist()
    return [({"a": a, "b": b}, 3.0 * a - b) for a, b in rows]
