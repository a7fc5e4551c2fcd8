"""Events of many features: steps that are fine for ten must not overshoot for hundreds."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import numpy as np
import pytest

from edgedescent import FactorizationMachine, LinearRegressor, LogisticRegressor, MLPRegressor
from edgedescent.losses import AdaptiveHuberLoss
from edgedescent.optim import SGD, Adam, MiniBatch, NormalizedAdaptive
from edgedescent.state import codec
from reference.learners import Linear as Specified
from support.exported import OPTIMIZERS

N_FEATURES, N_EVENTS = 200, 3000


def line(seed: int = 4) -> tuple[Any, Any]:
    """A line in many features, with a tenth of noise."""
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(N_EVENTS, N_FEATURES)), rng.normal(size=N_FEATURES)
    return 5.0 + 3.0 * X, X @ w + 0.1 * np.linalg.norm(w) * rng.normal(size=N_EVENTS)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_learns_many_features_as_it_comes(optimizer: Any) -> None:
    X, y = line()
    model = LinearRegressor(optimizer=optimizer())
    errors = np.abs(model.learn_many(X, y) - y)
    assert errors[-500:].mean() < 0.55 * np.abs(y).mean()
    assert model.model.stepper.n_undone == 0


@pytest.mark.parametrize("learner", [FactorizationMachine, MLPRegressor])
def test_nor_do_products_and_layers_overshoot(learner: Any) -> None:
    X, y = line()
    errors = np.abs(learner().learn_many(X, y) - y)
    assert errors[100:].mean() < 1.1 * np.abs(y).mean()
    assert errors[-500:].mean() < 0.6 * np.abs(y).mean()


def test_labels_are_learned_too() -> None:
    X, y = line()
    labels = y > 0.0
    p = LogisticRegressor().learn_many(X, labels)
    assert np.mean((p[-500:] > 0.5) == labels[-500:]) > 0.85


@pytest.mark.parametrize(("rule", "optimizer"), [("sgd", SGD(lr=0.02)), ("adam", Adam(lr=0.02))])
@pytest.mark.parametrize("replay_steps", [0, 2])
def test_the_steps_are_those_specified(rule: str, optimizer: Any, replay_steps: int) -> None:
    rng = np.random.default_rng(8)
    model = LinearRegressor(optimizer=optimizer, loss=AdaptiveHuberLoss(), replay_steps=replay_steps)
    hyper = (optimizer.rate, *optimizer.hyper)
    specified = Specified(rule, hyper, "adaptive_huber", AdaptiveHuberLoss().hyper, replay_steps=replay_steps)
    for _ in range(60):
        # Of events with few and with many features by turns, each is scaled by its own number.
        names = rng.choice(40, size=rng.integers(1, 40), replace=False)
        x = {f"x{name}": float(rng.normal()) for name in names}
        y = float(rng.normal())
        assert model.predict_one(x) == pytest.approx(specified.predict_one(x), rel=1e-9, abs=1e-9)
        model.learn_one(x, y)
        specified.learn_one(x, y)


@pytest.mark.parametrize(("optimizer", "n_events"), [(SGD(), 3), (Adam(), 3), (MiniBatch(optimizer=Adam(), size=2), 4)])
def test_steps_shrink_with_the_number_of_features_beyond_sixteen(optimizer: Any, n_events: int) -> None:
    def first_step(n: int) -> float:
        model = LinearRegressor(optimizer=optimizer)
        names = [f"x{i}" for i in range(n)]
        for t in range(n_events):
            model.learn_one(dict.fromkeys(names, float(t % 2)), float(t % 2))
        return float(abs(model.coefficients["x0"]))

    assert 0.0 < first_step(16) == first_step(8)
    assert first_step(64) == pytest.approx(first_step(16) / 4, rel=1e-6)


def test_rates_that_take_all_features_into_account_are_left_alone() -> None:
    assert NormalizedAdaptive.scales_itself
    assert MiniBatch(optimizer=NormalizedAdaptive()).scales_itself
    assert not MiniBatch(optimizer=Adam()).scales_itself


@pytest.mark.parametrize("learner", [LinearRegressor, LogisticRegressor, FactorizationMachine, MLPRegressor])
@pytest.mark.parametrize("replay_steps", [0, 3])
def test_one_very_wide_event_leaves_what_a_learner_without_its_past_would_learn(
    learner: Any, replay_steps: int
) -> None:
    def event(n: int) -> dict[str, float]:
        return {f"x{i}": float(i % 7) for i in range(n)}

    model = learner(replay_steps=replay_steps, replay_size=20, features_max=3000)
    for n in (3, 5000, 4, 16_384, 700, 5, 2000, 1, 1100, 130, 6):
        # What room there was before must not matter.
        fresh = learner(replay_steps=replay_steps, replay_size=20, features_max=3000)
        fresh.load_state_dict(model.state_dict())
        assert model.predict_learn_one(event(n), n % 2) == fresh.predict_learn_one(event(n), n % 2)
        assert codec.encode(model.state_dict()) == codec.encode(fresh.state_dict())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library tells")
@pytest.mark.parametrize("learner", [LinearRegressor, FactorizationMachine])
def test_the_room_for_a_very_wide_event_is_given_back(learner: Any) -> None:
    model = learner(features_max=100, replay_steps=0)
    model.learn_one({"a": 1.0}, 1.0)
    before = allocated_bytes()
    model.learn_one({f"x{i}": 1.0 for i in range(16_000)}, 1.0)
    assert allocated_bytes() - before > 1_000_000
    model.learn_one({"a": 1.0}, 1.0)
    assert allocated_bytes() - before < 400_000


def allocated_bytes() -> int:
    """What the C library has given out; Python's small objects do not count."""

    class Report(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in MALLINFO]

    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Report
    report = mallinfo()
    return int(report.hblkhd + report.uordblks)


MALLINFO = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
