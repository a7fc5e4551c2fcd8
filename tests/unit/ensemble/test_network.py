"""Small network in single precision: its output and gradient against their reference, its steps, and its safeguards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent.ensemble._inputs import InputBuffer
from edgedescent.ensemble._network import Network
from reference.ensemble import Network as Specified
from reference.ensemble import Vector

N_LAGS = 3
SLOTS = 9
DECAY = 0.01


def network(hidden: tuple[int, ...], lags_used: int = N_LAGS, rate: float = 0.01, seed: int = 5) -> Network:
    model = Network(N_LAGS, lags_used, hidden, rate, DECAY, 2, 50, seed)
    model.start_all(SLOTS, 0.5)
    return model


def specified(model: Network, which: str = "") -> Specified:
    """The network with its weights, or with their averages."""
    state = model.save(SLOTS)
    first, skip, rest = (state[name + which].astype(np.float64) for name in ("first", "skip", "rest"))
    return Specified(first, skip, rest, model.hidden)


def event(rng: np.random.Generator) -> tuple[list[int], Vector]:
    """Lags and the intercept, and two further inputs."""
    slots = [*range(N_LAGS + 1), *sorted(rng.choice(np.arange(N_LAGS + 1, SLOTS), 2, replace=False).tolist())]
    z = rng.normal(size=len(slots))
    z[N_LAGS] = 1.0
    return slots, z


def filled(slots: list[int], z: Vector) -> InputBuffer:
    buffer = InputBuffer(N_LAGS)
    buffer.set(slots, z)
    return buffer


def used(slots: list[int], z: Vector, lags_used: int) -> tuple[Any, Vector]:
    """The inputs that the network has weights for."""
    kept = [*range(lags_used), *range(N_LAGS, len(slots))]
    return np.array(slots)[kept], z[kept]


@pytest.mark.parametrize("hidden", [(8,), (7, 5), (16, 8)])
@pytest.mark.parametrize("lags_used", [0, 1, N_LAGS])
def test_the_output_is_the_one_specified(hidden: tuple[int, ...], lags_used: int) -> None:
    rng = np.random.default_rng(1)
    model = network(hidden, lags_used)
    for _ in range(20):
        slots, z = event(rng)
        expected = specified(model, "_average").output(*used(slots, z, lags_used))
        assert model.predict_one(filled(slots, z)) == pytest.approx(expected, rel=1e-4, abs=1e-5)
        model.learn_one(filled(slots, z), float(rng.normal()))


@pytest.mark.parametrize("hidden", [(8,), (7, 5)])
@pytest.mark.parametrize("lags_used", [1, N_LAGS])
def test_the_gradient_is_that_of_finite_differences(hidden: tuple[int, ...], lags_used: int) -> None:
    rng = np.random.default_rng(2)
    model = network(hidden, lags_used)
    for _ in range(10):
        model.learn_one(filled(*event(rng)), float(rng.normal()))
    slots, z = event(rng)
    target, step = 0.7, 1e-5
    got = model.gradient([filled(slots, z)], [target])
    kept, inputs = used(slots, z, lags_used)

    def loss(at: Specified) -> float:
        penalty = sum((part**2).sum() for part in (at.first[kept], at.skip[kept], decayed(at)))
        return float(0.5 * (at.output(kept, inputs) - target) ** 2 + 0.5 * DECAY * penalty)

    def difference(part: str, place: tuple[int, ...]) -> float:
        high, low = specified(model), specified(model)
        getattr(high, part)[place] += step
        getattr(low, part)[place] -= step
        return (loss(high) - loss(low)) / (2 * step)

    for slot in kept:
        assert got["skip"][slot] == pytest.approx(difference("skip", (slot,)), rel=1e-3, abs=1e-5)
        expected = [difference("first", (slot, j)) for j in range(hidden[0])]
        np.testing.assert_allclose(got["first"][slot], expected, rtol=1e-3, atol=1e-5)
    expected = [difference("rest", (j,)) for j in range(len(got["rest"]))]
    np.testing.assert_allclose(got["rest"], expected, rtol=1e-3, atol=1e-5)


def test_the_gradient_of_a_batch_is_the_average_of_those_of_its_events() -> None:
    rng = np.random.default_rng(8)
    model = network((7, 5))
    for _ in range(10):
        model.learn_one(filled(*event(rng)), float(rng.normal()))
    # Events of different inputs: the penalty counts for each of them once.
    events, targets = [event(rng) for _ in range(3)], rng.normal(size=3).tolist()
    together = model.gradient([filled(*one) for one in events], targets)
    weights = {name: model.save(SLOTS)[name] for name in ("first", "skip", "rest")}
    alone = [model.gradient([filled(*one)], [target]) for one, target in zip(events, targets, strict=True)]
    touched = sorted({slot for slots, _ in events for slot in slots})
    for name in ("first", "skip"):
        penalty = np.zeros_like(weights[name])
        penalty[touched] = DECAY * weights[name][touched]
        parts = []
        for (slots, _), one in zip(events, alone, strict=True):
            part = one[name].astype(np.float64)
            part[slots] -= DECAY * weights[name][slots]
            parts.append(part)
        np.testing.assert_allclose(together[name], np.mean(parts, axis=0) + penalty, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(together["rest"], np.mean([one["rest"] for one in alone], axis=0), rtol=1e-4, atol=1e-6)


def decayed(at: Specified) -> Vector:
    """The parameters of the further layers that have a penalty: all but the biases."""
    if len(at.hidden) == 1:
        return at.rest[1:]
    h1, h2 = at.hidden
    bias = (h1 + 1) * h2
    return np.concatenate([at.rest[h2:bias], at.rest[bias + 1 :]])


def test_the_first_step_of_adam_moves_each_weight_by_the_rate() -> None:
    rng = np.random.default_rng(3)
    model = network((8,), rate=0.01)
    slots, z = event(rng)
    before, g = model.save(SLOTS), model.gradient([filled(slots, z)], [3.0])
    model.learn_one(filled(slots, z), 3.0)
    moved = model.save(SLOTS)["first"][slots] - before["first"][slots]
    np.testing.assert_allclose(moved, -0.01 * np.sign(g["first"][slots]), atol=2e-4)
    others = [slot for slot in range(SLOTS) if slot not in slots]
    assert np.array_equal(model.save(SLOTS)["first"][others], before["first"][others])


def test_averages_follow_the_weights_of_an_event() -> None:
    model = network((7, 5))
    before = model.save(SLOTS)
    slots, z = event(np.random.default_rng(5))
    model.learn_one(filled(slots, z), 3.0)
    after = model.save(SLOTS)
    for name, rows in (("first", slots), ("skip", slots), ("rest", slice(None))):
        expected = before[name][rows] + 0.024 * (after[name][rows] - before[name][rows])
        np.testing.assert_allclose(after[f"{name}_average"][rows], expected, rtol=1e-5, atol=1e-8)
    others = [slot for slot in range(SLOTS) if slot not in slots]
    assert np.array_equal(after["first_average"][others], before["first"][others])


def test_it_learns_what_no_line_can() -> None:
    rng = np.random.default_rng(4)
    model = network((16, 8))
    errors = []
    for _ in range(3000):
        z = np.array([0.0, 0.0, 0.0, 1.0, rng.normal(), rng.normal()])
        buffer, y = filled([0, 1, 2, 3, 4, 5], z), abs(z[4]) - abs(z[5])
        errors.append(abs(model.predict_one(buffer) - y))
        model.learn_one(buffer, y)
    assert np.mean(errors[-300:]) < 0.2


def test_a_weight_that_overflowed_lets_the_network_begin_anew() -> None:
    model = network((8,))
    state = model.save(SLOTS)
    state["skip"][:] = 3e38
    model.restore(state, SLOTS)
    buffer = filled([0, 1, 2, 3, 4], np.array([5.0, 5.0, 5.0, 5.0, 5.0]))
    model.learn_one(buffer, 1.0)
    assert model.n_restarts == 1
    assert abs(model.predict_one(buffer)) < 100.0
    # All weights are drawn again: it can learn more than a line.
    assert model.save(SLOTS)["first"].all()
    assert model.gradient([buffer], [50.0])["first"].any()


def test_a_saved_network_goes_on_alike() -> None:
    rng = np.random.default_rng(6)
    model, restored = network((7, 5)), network((7, 5), seed=8)
    for _ in range(50):
        model.learn_one(filled(*event(rng)), float(rng.normal()))
    restored.restore(model.save(SLOTS), SLOTS)
    for _ in range(20):
        buffer, y = filled(*event(rng)), float(rng.normal())
        assert model.predict_one(buffer) == restored.predict_one(buffer)
        model.learn_one(buffer, y)
        restored.learn_one(buffer, y)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("first", np.zeros((SLOTS, 3)), "single-precision"),
        ("skip", np.full(SLOTS, 1e39), "single-precision"),
        ("numbers", -np.ones(6), "out of range"),
        ("counts", -np.ones(3, dtype=np.int64), "out of range"),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, value: object, message: str) -> None:
    model = network((8,))
    with pytest.raises(ValueError, match=message):
        model.restore({**model.save(SLOTS), name: value}, SLOTS)
