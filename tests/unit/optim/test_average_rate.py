"""The adapted rate of averages, against its equations, and what it is for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.learners.migration import migrate
from edgedescent.optim import SGD
from edgedescent.optim._average_rate import AverageRate

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def adapted(first: float, pairs: Sequence[tuple[float, float]]) -> float:
    """NumPy twin of `AverageRate`."""
    rate = min(max(first, 0.005), 0.5)
    sizes = np.zeros(2)
    for count, pair in enumerate(pairs, start=1):
        sizes += max(1 / count, 0.01) * (np.abs(pair) - sizes)
        if count >= 100 and (sizes > 0).all():
            g = np.prod(np.clip(np.array(pair) / sizes, -3, 3))
            rate = float(np.clip(rate * (1 - 0.01 * g), 0.005, 0.5))
    return rate


class TestEquations:
    @given(st.floats(0.001, 1.0), st.lists(st.tuples(NUMBERS, NUMBERS), min_size=98, max_size=130))
    def test_equals_its_twin(self, first: float, pairs: list[tuple[float, float]]) -> None:
        rate = AverageRate(first)
        for slope, distance in pairs:
            rate.update(slope, distance)
        assert rate.rate == pytest.approx(adapted(first, pairs), rel=1e-9)

    @given(st.lists(st.tuples(st.floats(-1e200, 1e200), st.floats(-1e200, 1e200)), min_size=100, max_size=120))
    def test_stays_in_its_bounds_whatever_comes(self, pairs: list[tuple[float, float]]) -> None:
        rate = AverageRate(0.06)
        for slope, distance in pairs:
            rate.update(slope, distance)
        assert 0.005 <= rate.rate <= 0.5

    def test_the_first_events_only_say_what_is_usual(self) -> None:
        rate = AverageRate(0.06)
        for _ in range(99):
            rate.update(-1.0, 1.0)
        assert rate.rate == 0.06
        rate.update(-1.0, 1.0)
        assert rate.rate == pytest.approx(0.0606)

    def test_no_event_counts_for_more_than_nine_usual_ones(self) -> None:
        rate = AverageRate(0.06)
        for _ in range(200):
            rate.update(1.0, 0.5)
            rate.update(-1.0, 0.5)
        before = rate.rate
        rate.update(-1e12, 1e12)
        assert before < rate.rate <= before * 1.09


class TestState:
    def test_goes_on_from_what_was_saved(self) -> None:
        rng = np.random.default_rng(0)
        rate, restored = AverageRate(0.06), AverageRate(0.5)
        for pair in rng.normal(size=(150, 2)):
            rate.update(*pair)
        restored.restore(rate.save())
        for pair in rng.normal(size=(50, 2)):
            rate.update(*pair)
            restored.update(*pair)
        assert rate.save().tolist() == restored.save().tolist()

    @pytest.mark.parametrize(
        "values", [[0.06, 1, 1], [0.004, 1, 1, 1], [0.6, 1, 1, 1], [0.06, -1, 1, 1], [0.06, np.nan, 1, 1]]
    )
    def test_refuses_impossible_numbers(self, values: list[float]) -> None:
        with pytest.raises(ValueError, match=r"`average_rate` must be 4 numbers >= 0, the first 0\.005 to 0\.5"):
            AverageRate(0.06).restore(np.array(values))

    def test_is_part_of_the_state_only_where_an_average_is_adapted(self) -> None:
        averaging = SGD(average_rate=0.1)
        assert "average_rate" in MLPRegressor().state_dict()
        assert "average_rate" in LinearRegressor(optimizer=averaging, adapts_average=True).state_dict()
        assert "average_rate" not in LinearRegressor(optimizer=averaging).state_dict()
        assert "average_rate" not in LinearRegressor(optimizer=SGD(), adapts_average=True).state_dict()

    @pytest.mark.parametrize("to_adapting", [True, False])
    def test_another_learner_begins_anew_with_it(self, *, to_adapting: bool) -> None:
        before, after = (
            LinearRegressor(optimizer=SGD(average_rate=rate), adapts_average=adapts)
            for rate, adapts in ((0.1, not to_adapting), (0.2, to_adapting))
        )
        for i in range(300):
            before.learn_one({"a": i % 7}, i % 7 + 0.1 * (i % 5))
        predicted = before.predict_one({"a": 3})
        migrate(before, after, before.state_dict())
        assert after.predict_one({"a": 3}) == predicted
        assert ("average_rate" in after.state_dict()) is to_adapting
        if to_adapting:
            assert after.state_dict()["average_rate"].tolist() == [0.2, 0.0, 0.0, 0.0]  # type: ignore[union-attr]


class TestWorth:
    """A rate is chosen that is right for the stream, from one that is wrong either way."""

    @staticmethod
    def error(weight: Callable[[int], float], noise: float, **parameters: object) -> float:
        rng = np.random.default_rng(3)
        X = rng.normal(size=(4000, 1))
        truth = np.array([weight(i) for i in range(4000)]) * X[:, 0]
        model = LinearRegressor(**parameters)  # type: ignore[arg-type]
        predictions = model.learn_many(X, truth + noise * rng.normal(size=4000))
        return float(np.abs(predictions - truth)[1500:].mean())

    def test_noise_is_averaged_away(self) -> None:
        given = {"weight": lambda _: 2.0, "noise": 2.0}
        fixed, adapted = (
            self.error(**given, optimizer=SGD(lr=0.3, average_rate=0.3), adapts_average=adapts)  # type: ignore[arg-type]
            for adapts in (False, True)
        )
        assert adapted < 0.7 * fixed

    def test_a_weight_that_moves_is_followed(self) -> None:
        given = {"weight": lambda i: 3.0 * np.sin(i / 100), "noise": 0.1}
        fixed, adapted = (
            self.error(**given, optimizer=SGD(lr=0.1, average_rate=0.005), adapts_average=adapts)  # type: ignore[arg-type]
            for adapts in (False, True)
        )
        assert adapted < 0.3 * fixed
