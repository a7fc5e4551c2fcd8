"""Inputs of the members: what an event of a learner becomes in the ring from which networks replay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor

N_LAGS = 12
SLOT_OF_FIRST_FEATURE = N_LAGS + 1


def last_event(model: AutoRegressor) -> dict[int, float]:
    """Inputs of the newest stored event by slot."""
    slots, z, _, _ = model.model.ring.event(model.model.ring.n_pushed - 1)
    return dict(zip(slots.tolist(), z.tolist(), strict=True))


def test_lags_intercept_and_features_have_the_slots_that_are_documented() -> None:
    model = AutoRegressor(budget="tiny", categories=("site",))
    labels = [3.0, 5.0, 4.0, 7.0]
    for n, y in enumerate(labels):
        model.learn_one({"temp": float(n), "site": "north"}, y)
    before = model.clone(include_attributes=True)
    model.learn_one({"temp": 9.0, "site": "north"}, 1.0)
    inputs = last_event(model)
    assert inputs[N_LAGS] == 1.0
    names: list[Any] = list(model.state_dict()["features"])
    assert inputs[SLOT_OF_FIRST_FEATURE + names.index("site=north")] == 1.0
    assert sorted(inputs) == list(range(SLOT_OF_FIRST_FEATURE + 2))
    lags = before.model.history.next_lags()
    np.testing.assert_allclose([inputs[i] for i in range(len(lags))], lags, rtol=1e-6)


def test_missing_features_are_left_out() -> None:
    model = AutoRegressor(budget="tiny")
    for n in range(5):
        model.learn_one({"temp": float(n), "load": 1.0 + n}, float(n))
    model.learn_one({"load": 2.0}, 3.0)
    assert len(last_event(model)) == SLOT_OF_FIRST_FEATURE + 1


def test_the_base_is_the_last_label() -> None:
    model = AutoRegressor(budget="tiny")
    for y in (1.0, 2.0, 5.0):
        model.learn_one({"temp": y}, y)
    _, _, base, label = model.model.ring.event(model.model.ring.n_pushed - 1)
    assert (base, label) == (2.0, 5.0)


@pytest.mark.parametrize("budget", ["tiny", "small", "default", "large"])
def test_each_prediction_has_a_name(budget: str) -> None:
    model = AutoRegressor(budget=budget)  # type: ignore[arg-type]
    names = model.model.names()
    assert len(names) == model.model.mixture.n_experts == len(set(names))
