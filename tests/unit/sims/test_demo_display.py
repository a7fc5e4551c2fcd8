"""What the demo tells of a model."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edgedescent import LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent_sims.demo.display import feature_effects, learned_lines


@pytest.mark.parametrize("kind", [LinearRegressor, MLPRegressor])
def test_an_effect_is_what_a_standard_deviation_does(kind: Any) -> None:
    model = kind()
    for n in range(4000):
        x = {"large": math.sin(n), "small": math.cos(3.7 * n), "none": math.sin(11.3 * n), "site": "north"}
        model.learn_one(x, 10.0 * x["large"] + 1.0 * x["small"])
    effects = feature_effects(model)
    assert list(effects) == ["large", "small", "none"]
    # The standard deviation of a sine is the root of a half.
    assert effects["large"] == pytest.approx(7.07, rel=0.1)
    assert effects["small"] == pytest.approx(0.707, rel=0.35)
    assert abs(effects["none"]) < 0.15
    assert learned_lines(model, most=2)[0].startswith("large ")
    assert learned_lines(model, most=2)[2] == "and 1 more features"


def test_a_recommender_shows_what_it_would_recommend() -> None:
    ranker = MatrixFactorization()
    for _ in range(50):
        ranker.learn_one("ann", "tea", 5.0)
        ranker.learn_one("ann", "beer", 1.0)
    assert learned_lines(ranker) == ["1 users and 2 items, 10 factors each", "best for user ann: tea, beer"]
