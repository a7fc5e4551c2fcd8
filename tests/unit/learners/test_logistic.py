"""Labels: probabilities, what is a label, and what is not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgedescent import LogisticRegressor


def trained(n: int = 4000) -> LogisticRegressor:
    rng = np.random.default_rng(0)
    model = LogisticRegressor()
    for _ in range(n):
        a = rng.normal()
        model.learn_one({"a": 10.0 + 3.0 * a, "noise": rng.normal()}, rng.random() < 1 / (1 + math.exp(-2.0 * a)))
    return model


def test_predictions_are_calibrated_probabilities() -> None:
    model = trained()
    for a in (-1.5, -0.5, 0.0, 0.5, 1.5):
        assert model.predict_one({"a": 10.0 + 3.0 * a}) == pytest.approx(1 / (1 + math.exp(-2.0 * a)), abs=0.08)


def test_both_labels_have_a_probability() -> None:
    model = trained(500)
    both = model.predict_proba_one({"a": 11.0})
    assert list(both) == [False, True]
    assert both[True] == model.predict_one({"a": 11.0})
    assert sum(both.values()) == pytest.approx(1.0)


def test_coefficients_are_named() -> None:
    coefficients = trained().coefficients
    assert list(coefficients) == ["a", "noise"]
    assert coefficients["a"] > 1.5
    assert abs(coefficients["noise"]) < 0.3


@pytest.mark.parametrize("y", [-0.1, 1.1, 2, -1])
def test_what_is_no_label_is_refused_and_changes_nothing(y: float) -> None:
    model = trained(50)
    before = model.state_dict()["weights"].tobytes()  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        model.learn_one({"a": 1.0, "new": 2.0}, y)
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        model.learn_many([[1.0], [2.0]], [1.0, y], ["a"])
    assert (model.n_events, model.state_dict()["weights"].tobytes()) == (50, before)  # type: ignore[union-attr]


def test_a_label_may_be_a_boolean_a_number_or_a_share() -> None:
    flags, numbers = LogisticRegressor(), LogisticRegressor()
    for i in range(20):
        flags.learn_one({"a": float(i)}, i % 2 == 0)
        numbers.learn_one({"a": float(i)}, np.float32(i % 2 == 0))
    assert flags.predict_one({"a": 3.0}) == numbers.predict_one({"a": 3.0})
    shares = LogisticRegressor()
    for _ in range(3000):
        shares.learn_one({}, 0.3)
    assert shares.predict_one({}) == pytest.approx(0.3, abs=0.02)
