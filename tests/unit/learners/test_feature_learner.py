"""How an event of named features is read: numbers, categories, gaps, nesting, and bounds."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from edgedescent import FactorizationMachine, LinearRegressor, MLPRegressor
from edgedescent.testing.support import bits

KINDS: list[Any] = [LinearRegressor, FactorizationMachine, MLPRegressor]


def names(model: Any) -> list[str]:
    return list(model.state_dict()["features"])


class TestCategories:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_value_of_a_string_has_an_effect_of_its_own(self, kind: Any) -> None:
        model = kind()
        level = {"north": 3.0, "south": 10.0, "west": -4.0}
        for i in range(3000):
            site = ("north", "south", "west")[i % 3]
            model.learn_one({"site": site, "noise": float(i % 7)}, level[site])
        for site, y in level.items():
            assert model.predict_one({"site": site, "noise": 3.0}) == pytest.approx(y, abs=0.5)
        assert sorted(names(model)) == ["noise", "site=north", "site=south", "site=west"]

    def test_integers_are_amounts_unless_listed(self) -> None:
        amounts, labels = LinearRegressor(), LinearRegressor(categories=("hour",))
        for i in range(3000):
            y = float(i % 5 in (1, 4))
            amounts.learn_one({"hour": i % 5}, y)
            labels.learn_one({"hour": i % 5}, y)
        assert names(amounts) == ["hour"]
        assert names(labels) == [f"hour={i}" for i in range(5)]
        assert [round(labels.predict_one({"hour": i})) for i in range(5)] == [0, 1, 0, 0, 1]
        # An integer and its decimal digits name the same thing.
        assert labels.predict_one({"hour": "4"}) == labels.predict_one({"hour": 4})

    def test_a_listed_boolean_is_a_category_and_an_unlisted_one_a_number(self) -> None:
        model = LinearRegressor(categories=("open",))
        model.learn_one({"open": True, "on": True}, 1.0)
        assert names(model) == ["open=True", "on"]

    def test_a_listed_feature_inside_another_is_named_with_its_dot(self) -> None:
        model = LinearRegressor(categories=("site.kind",))
        model.learn_one({"site": {"kind": 3, "size": 3}}, 1.0)
        assert names(model) == ["site.kind=3", "site.size"]

    def test_an_unknown_value_counts_as_nothing(self) -> None:
        model = LinearRegressor()
        for i in range(100):
            model.learn_one({"site": ("a", "b")[i % 2], "x": float(i % 3)}, float(i % 2))
        assert model.predict_one({"site": "c", "x": 1.0}) == model.predict_one({"x": 1.0})

    def test_a_missing_category_is_no_category(self) -> None:
        model = LinearRegressor(categories=("hour",))
        model.learn_one({"hour": None, "site": None, "x": 1.0}, 1.0)
        assert names(model) == ["x"]
        assert model.encoder.n_skipped_values == 0

    @pytest.mark.parametrize("value", [3.0, math.nan, np.float64(2.0)])
    def test_a_float_is_no_category(self, value: float) -> None:
        model = LinearRegressor(categories=("hour",))
        before = bits(model)
        with pytest.raises(ValueError, match="The category 'hour' must be a string or an integer"):
            model.learn_one({"a": 1.0, "hour": value}, 1.0)
        with pytest.raises(ValueError, match="The category 'hour' must be a string or an integer"):
            model.predict_one({"hour": value})
        assert bits(model) == before

    def test_text_that_is_not_valid_unicode_is_refused(self) -> None:
        model = LinearRegressor()
        for x in ({"site": "lone \ud800"}, {"lone \ud800": "north"}, {"lone \ud800": 1.0}):
            with pytest.raises(ValueError, match="must be valid Unicode text"):
                model.learn_one(x, 1.0)
        assert model.n_events == 0

    def test_a_category_is_not_standardized_and_not_watched(self) -> None:
        model = LinearRegressor()
        for i in range(50):
            model.learn_one({"site": "north", "x": float(i)}, 1.0)
        state = model.state_dict()
        assert state["kinds"].tolist() == [0, 1, 0]
        assert state["inputs.count"].tolist() == [0.0, 0.0, 50.0]

    def test_a_number_by_the_name_of_a_category_is_another_feature(self) -> None:
        model = LinearRegressor()
        for i in range(500):
            model.learn_one({"site": ("north", "south")[i % 2]}, float(i % 2))
        expected = model.predict_one({"site": "north"})
        assert model.predict_one({"site=north": 1e99}) == model.predict_one({})
        for i in range(50):
            model.learn_one({"site=north": float(i)}, 0.5)
        assert model.predict_one({"site": "north"}) == pytest.approx(expected, abs=0.1)
        assert len(names(model)) == 3


class TestHashing:
    def test_values_share_a_bounded_number_of_rows(self) -> None:
        model = LinearRegressor(hash_bits=4, features_max=100)
        for i in range(1000):
            model.learn_one({"user": f"user-{i}", "x": float(i % 3)}, float(i % 3))
        assert len(names(model)) == 17
        assert {name[0] for name in names(model)} == {"#", "x"}
        assert model.encoder.vocabulary.evicted == model.encoder.vocabulary.shared == 0

    def test_two_values_in_one_row_add_up(self) -> None:
        model = LinearRegressor(hash_bits=1)
        for i in range(200):
            model.learn_one(dict.fromkeys("abcdef", "v"), float(i % 2))
        assert len(names(model)) <= 2
        again = LinearRegressor(hash_bits=1)
        again.load_state_dict(model.state_dict())
        assert bits(again) == bits(model)
        assert math.isfinite(model.predict_one(dict.fromkeys("abcdef", "v")))

    def test_enough_bits_learn_what_a_vocabulary_learns(self) -> None:
        hashed, named = LinearRegressor(hash_bits=20), LinearRegressor()
        for i in range(600):
            x = {"site": f"s{i % 6}"}
            assert hashed.predict_learn_one(x, float(i % 6)) == named.predict_learn_one(x, float(i % 6))


class TestNesting:
    def test_names_are_joined_by_a_dot(self) -> None:
        nested, flat = LinearRegressor(), LinearRegressor()
        for i in range(100):
            site = ("n", "s")[i % 2]
            nested.learn_one({"a": {"b": float(i), "c": {"d": site}}, "e": i}, float(i))
            flat.learn_one({"a.b": float(i), "a.c.d": site, "e": i}, float(i))
        assert names(nested) == ["a.b", "a.c.d=n", "e", "a.c.d=s"]
        assert bits(nested) == bits(flat)

    def test_nesting_has_a_bound(self) -> None:
        model = LinearRegressor()
        x: dict[str, Any] = {"v": 1.0}
        for _ in range(16):
            x = {"n": x}
        model.learn_one(x, 1.0)
        for _ in range(10_000):
            x = {"n": x}
        before = bits(model)
        with pytest.raises(ValueError, match="nested more than 16 deep"):
            model.learn_one(x, 1.0)
        assert bits(model) == before

    @pytest.mark.parametrize("value", [{1.0}, object(), b"5", 1j, np.ones(2), np.array(["a"])])
    def test_what_is_neither_number_nor_text_nor_dict_is_refused(self, value: object) -> None:
        model = LinearRegressor()
        for x in ({"a": value}, {"b": {"a": value}}):
            with pytest.raises(ValueError, match="must be a number"):
                model.learn_one(x, 1.0)
            with pytest.raises(ValueError, match="must be a number"):
                model.predict_one(x)
        assert (model.n_events, names(model)) == (0, [])

    @pytest.mark.parametrize("name", [1.5, None, ("a",), True, b"a"])
    def test_a_name_must_be_a_string_or_an_integer(self, name: object) -> None:
        model = LinearRegressor()
        with pytest.raises(ValueError, match="The name of a feature must be a string"):
            model.learn_one({name: 1.0}, 1.0)  # type: ignore[dict-item]
        model.learn_one({7: 1.0}, 1.0)  # type: ignore[dict-item]
        assert names(model) == ["7"]


class TestNumbers:
    @pytest.mark.parametrize(
        "value", [3, True, np.float32(3), np.int8(3), Decimal(3), Fraction(3), np.float64(3), np.array(3.0)]
    )
    def test_every_kind_of_number_is_read(self, value: object) -> None:
        model, plain = LinearRegressor(), LinearRegressor()
        for i in range(5):
            model.learn_one({"a": value, "b": i}, float(i))
            plain.learn_one({"a": float(value), "b": i}, float(i))  # type: ignore[arg-type]
        assert bits(model) == bits(plain)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e100, 10**400])
    def test_a_broken_value_counts_as_missing_and_is_counted(self, value: float) -> None:
        model = LinearRegressor()
        for i in range(50):
            model.learn_one({"a": float(i % 5), "b": float(i % 3)}, float(i % 5))
        assert model.predict_one({"a": value, "b": 1.0}) == model.predict_one({"b": 1.0})
        model.learn_one({"a": value, "b": 1.0}, 1.0)
        assert model.encoder.n_skipped_values == 1

    def test_any_mapping_is_read(self) -> None:
        from types import MappingProxyType

        model = LinearRegressor()
        model.learn_one(MappingProxyType({"a": 1.0}), 1.0)  # type: ignore[arg-type]
        assert names(model) == ["a"]


class TestBounds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_least_recently_learned_makes_room(self, kind: Any) -> None:
        model = kind(features_max=3)
        for site in "abc":
            model.learn_one({"s": site}, 1.0)
        model.learn_one({"s": "a"}, 1.0)
        model.learn_one({"s": "d"}, 1.0)
        assert sorted(names(model)) == ["s=a", "s=c", "s=d"]
        assert (model.encoder.vocabulary.evicted, model.encoder.vocabulary.shared) == (1, 0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_row_given_away_starts_like_a_fresh_one(self, kind: Any) -> None:
        model = kind(features_max=1, replay_steps=0)
        for i in range(200):
            model.learn_one({"old": float(i % 5)}, float(i % 5))
        # It has to come again and again.
        n = 0
        while names(model) == ["old"]:
            model.learn_one({"new": 1.0}, 1.0)
            n += 1
        assert 1 < n <= 16
        state = model.state_dict()
        assert (state["features"], state["inputs.count"].tolist()) == (["new"], [0.0, 1.0])
        weights = state["skip" if kind is MLPRegressor else "weights"]
        # A feature seen once is at its mean, where its own weight has no slope.
        assert weights[1, 0] == 0.0

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_full_table_can_leave_newcomers_out(self, kind: Any) -> None:
        model = kind(features_max=2, when_full="share")
        for i in range(100):
            model.learn_one({"s": "abcdef"[i % 6]}, float(i % 6))
        assert names(model) == ["s=a", "s=b"]
        assert model.encoder.vocabulary.evicted == 0
        assert model.encoder.vocabulary.shared > 0
        assert model.predict_one({"s": "c"}) == model.predict_one({"s": "f"}) == model.predict_one({})

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_event_of_more_features_than_rows_is_learned_as_far_as_it_goes(self, kind: Any) -> None:
        model = kind(features_max=4)
        for i in range(50):
            model.learn_one({f"f{j}": float(i * j % 7) for j in range(10)}, float(i % 7))
        assert len(names(model)) == 4

    @pytest.mark.parametrize("kind", KINDS)
    def test_memory_does_not_grow_with_names(self, kind: Any) -> None:
        model = kind(features_max=20, replay_size=30, replay_steps=1, categories=("user",))
        sizes = set()
        for i in range(2000):
            model.learn_one({"user": f"u{i}", "x": float(i % 3)}, float(i % 3))
            if i > 100 and i % 100 == 0:
                sizes.add(sum(np.array(v).nbytes for v in model.state_dict().values() if isinstance(v, np.ndarray)))
        assert len(sizes) == 1
        assert len(names(model)) == 20

    def test_replay_leaves_out_rows_that_went_to_other_features(self) -> None:
        # Every name is new, so whatever is replayed has lost its row, but for the events of the last four.
        model = LinearRegressor(features_max=4, replay_size=1000, replay_steps=5)
        for i in range(1000):
            model.learn_one({f"f{i}": 1.0}, 5.0)
        assert math.isfinite(model.predict_one({}))
        state = model.state_dict()
        assert state["inputs.count"].tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]
