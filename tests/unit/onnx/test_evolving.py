"""The ONNX file of `AutoRegressor` beside the live learner, once networks have become copies of others."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor
from edgedescent.snapshots.parity import check_parity, target_scale
from edgedescent_onnx import OnnxAdapter
from support.evolving import evolving_early

ONNX = OnnxAdapter()
TOLERANCE = 2e-6


def event(rng: random.Random) -> dict[str, Any]:
    x: dict[str, Any] = {f"s{i}": rng.gauss(100 * i, 1 + i) for i in range(3) if rng.random() < 0.9}
    return {**x, "site": rng.choice(["north", "south", ""])}


def test_agrees_once_networks_are_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    evolving_early(monkeypatch, every=40)
    learner, rng = AutoRegressor(), random.Random(5)
    for t in range(400):
        x = event(rng)
        learner.learn_one(x, 3 * (x["site"] == "north") + 5 * math.sin(t / 6) + rng.gauss(0, 0.3))
    now, first = learner.present_members.networks, learner.members.networks
    assert [one.n_lags for one in now] != [one.n_lags for one in first]
    assert [one.on_change for one in now] != [one.on_change for one in first]
    xs = [*(event(rng) for _ in range(30)), {}, {"site": "unheard of"}, {"s1": 1e9}]
    file = ONNX.export(learner, {})
    for labels in ([], [1.5, math.nan, -2.0]):
        follower = learner.with_labels(labels)
        live = [follower.predict_one(x) for x in xs]
        got = ONNX.predict(file, [{"x": x} for x in xs], labels)
        np.testing.assert_allclose(got, live, rtol=TOLERANCE, atol=TOLERANCE * target_scale(learner))
    events = [{"x": x, "y": rng.gauss(0, 3)} for x in xs]
    assert check_parity(learner, ONNX, file, events, tolerance=1e-5).max_rel_diff < TOLERANCE
