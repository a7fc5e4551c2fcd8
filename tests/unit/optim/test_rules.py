"""The compiled rules of the optimizers against their specification, dense and sparse, and the guard around them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.optim import (
    COCOB,
    RLS,
    SGD,
    Adam,
    AdamW,
    FTRLProximal,
    ImportanceAware,
    MiniBatch,
    Nesterov,
    NormalizedAdaptive,
    Optimizer,
)
from edgedescent.optim._parameter_table import ParameterTable
from edgedescent.optim._stepper import run_steps
from reference.optim import RULES, specified_steps
from support.exported import accepts_optimizer
from support.strategies import EVERY_OPTIMIZER, SCHEDULES

# Rounded, because squares of the smallest floats vanish; what those do is seen to below.
values = st.one_of(st.floats(-3, 3), st.floats(-100, 100), st.just(-0.0)).map(lambda g: round(g, 6))
# For rules whose every step depends on all parameters that the event touches.
SHARED = (NormalizedAdaptive, ImportanceAware, RLS)

# A rule in Python is its own specification.
COMPILED = [optimizer for optimizer in EVERY_OPTIMIZER if optimizer.rule != "python"]
every_optimizer = pytest.mark.parametrize("optimizer", COMPILED, ids=repr)


def gradients(n: int = 4, missing: bool = True) -> st.SearchStrategy[Any]:
    elements = st.one_of(values, st.just(np.nan)) if missing else values
    return st.integers(1, 25).flatmap(lambda t: arrays(np.float64, (t, n), elements=elements))


def starts(n: int = 4) -> st.SearchStrategy[Any]:
    return arrays(np.float64, n, elements=st.one_of(st.just(0.0), st.floats(-2, 2, allow_subnormal=False)))


def agree(optimizer: Optimizer, g: Any, start: Any, l1: float = 0.0, losses: Any = None) -> None:
    slopes = np.linspace(0.5, -1.5, len(g))
    losses = np.zeros(len(g)) if losses is None else losses
    path, served, undone = run_steps(optimizer, g, start, l1, slopes, losses)
    expected, expected_served = specified_steps(optimizer, g, start, l1, slopes, losses)
    assert undone == 0
    scale = 1 + np.abs(expected).max()
    np.testing.assert_allclose(path, expected, rtol=1e-7, atol=1e-9 * scale)
    np.testing.assert_allclose(served, expected_served, rtol=1e-7, atol=1e-9 * scale)


def test_every_optimizer_is_specified() -> None:
    assert {type(optimizer) for optimizer in COMPILED} == set(RULES)


@every_optimizer
@settings(max_examples=30)
@given(g=gradients(), start=starts())
def test_steps_follow_the_paper(optimizer: Optimizer, g: Any, start: Any) -> None:
    agree(optimizer, g, start)


@every_optimizer
@settings(max_examples=10)
@given(g=gradients(missing=False), start=starts(), missing=st.data())
def test_sparse_events_give_the_dense_numbers(optimizer: Optimizer, g: Any, start: Any, missing: Any) -> None:
    if isinstance(optimizer, SHARED):
        # Alone, a parameter is another event; a run of parameters split in two is still the same event.
        wide = np.insert(g, 2, np.nan, axis=1)
        path, _, _ = run_steps(optimizer, wide, np.insert(start, 2, 0.0))
        whole = run_steps(optimizer, g, start)[0]
        rtol, atol = 1e-12, 1e-300
        if isinstance(optimizer, RLS):
            # Its sums are in another order, and large inputs leave differences of covariances that are far larger.
            rtol, atol = 1e-7, 1e-9 * (1 + np.abs(whole).max())
        np.testing.assert_allclose(np.delete(path, 2, axis=1), whole, rtol=rtol, atol=atol)
        return
    touched = missing.draw(arrays(np.bool_, g.shape))
    path, served, _ = run_steps(optimizer, np.where(touched, g, np.nan), start)
    for i in range(len(start)):
        when = touched[:, i]
        alone, alone_served, _ = run_steps(optimizer, g[when][:, [i]], start[[i]])
        assert path[when, i].tobytes() == alone[:, 0].tobytes()
        assert served[when, i].tobytes() == alone_served[:, 0].tobytes()
        # In between it neither moves nor decays.
        for t in np.flatnonzero(~when):
            assert path[t, i] == (path[t - 1, i] if t else start[i])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("optimizer", [SGD(lr=0.1), Adam(), FTRLProximal(lr=0.1), COCOB()], ids=repr)
@settings(max_examples=10)
@given(g=gradients(), data=st.data())
def test_a_schedule_scales_every_step(optimizer: Optimizer, schedule: Any, g: Any, data: Any) -> None:
    if isinstance(optimizer, FTRLProximal) and schedule.rule != "constant":
        # The closed form with a rate that changes is not the sum that the specification minimizes.
        return
    losses = data.draw(arrays(np.float64, len(g), elements=st.floats(0, 5)))
    agree(dataclasses.replace(optimizer, schedule=schedule), g, np.zeros(4), losses=losses)


@pytest.mark.parametrize("optimizer", [SGD(lr=0.1), Adam(), MiniBatch(optimizer=SGD(lr=0.1), size=3)], ids=repr)
@settings(max_examples=20)
@given(
    g=gradients(),
    start=starts(),
    value=st.one_of(st.none(), st.floats(0.1, 5)),
    norm=st.one_of(st.none(), st.floats(0.1, 5)),
    rate=st.one_of(st.none(), st.sampled_from([0.01, 0.2, 0.5, 1.0])),
    l1=st.sampled_from([0.0, 0.05, 1.0]),
)
def test_clipping_truncation_and_averaging(
    optimizer: Any, g: Any, start: Any, value: float | None, norm: float | None, rate: float | None, l1: float
) -> None:
    changes = {"clip_value": value, "clip_norm": norm, "average_rate": rate}
    if isinstance(optimizer, MiniBatch):
        changed: Optimizer = MiniBatch(
            optimizer=dataclasses.replace(optimizer.optimizer, **changes), size=optimizer.size
        )
    else:
        changed = dataclasses.replace(optimizer, **changes)
    agree(changed, g, start, l1)


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    # Section 2.1 of the paper: with the bias corrected, the first step does not depend on the gradient's size.
    for g in (1e-3, 1.0, 1e3):
        assert run_steps(Adam(lr=0.1), [[g]], [0.0])[0][0, 0] == pytest.approx(-0.1, rel=1e-4)


@given(gradients(missing=False), starts(), st.floats(0, 0.99))
def test_nesterov_is_momentum_seen_from_where_it_looks(g: Any, start: Any, mu: float) -> None:
    # Sutskever et al. 2013, equations 3 and 4, with the gradient taken at theta + mu v.
    theta, v, path = np.array(start), np.zeros(4), []
    for row in g:
        v = mu * v - 0.1 * row
        theta = theta + v
        path.append(theta + mu * v)
    np.testing.assert_allclose(run_steps(Nesterov(lr=0.1, mu=mu), g, start)[0], path, rtol=1e-9, atol=1e-9)


def test_mini_batches_are_plain_averages() -> None:
    g = np.random.default_rng(0).normal(size=(12, 3))
    batched = run_steps(MiniBatch(optimizer=Adam(), size=4), g, np.zeros(3))[0]
    whole = run_steps(Adam(), g.reshape(3, 4, 3).mean(axis=1), np.zeros(3))[0]
    np.testing.assert_allclose(batched[3::4], whole, rtol=1e-12)
    assert (batched[:3] == 0).all()


def test_a_batch_of_one_is_no_batch() -> None:
    g = np.random.default_rng(0).normal(size=(12, 3))
    assert (
        run_steps(MiniBatch(optimizer=Adam(), size=1), g, np.zeros(3))[0].tobytes()
        == run_steps(Adam(), g, np.zeros(3))[0].tobytes()
    )
    assert MiniBatch(optimizer=Adam(), size=1).state_names == Adam().state_names


def test_normalized_updates_do_not_depend_on_how_large_a_feature_is() -> None:
    random = np.random.default_rng(0)
    x, slopes = random.uniform(1.0, 2.0, size=(40, 3)), random.normal(size=40)
    scales = np.array([1.0, 7.0, 1e4])
    plain = run_steps(NormalizedAdaptive(), slopes[:, None] * x, np.zeros(3), 0.0, slopes)[0]
    scaled = run_steps(NormalizedAdaptive(), slopes[:, None] * x * scales, np.zeros(3), 0.0, slopes)[0]
    np.testing.assert_allclose(scaled * scales, plain, rtol=1e-9)


def test_l1_gives_zeros() -> None:
    random = np.random.default_rng(0)
    for optimizer in (FTRLProximal(lr=0.1, l1=20.0), SGD(lr=0.1)):
        g = random.normal(size=(200, 2)) + np.array([1.0, 0.0])
        path = run_steps(optimizer, g, np.zeros(2), 0.0 if isinstance(optimizer, FTRLProximal) else 2.0)[0]
        assert (path[:, 1] == 0).mean() > 0.3


@pytest.mark.parametrize(
    "optimizer", [one for one in EVERY_OPTIMIZER if accepts_optimizer(LinearRegressor, one)], ids=repr
)
def test_adjacent_runs_step_together_as_they_do_apart(optimizer: Optimizer) -> None:
    # A penalty too small to change a weight keeps the intercept apart from the weights beside it.
    together, apart = LinearRegressor(optimizer=optimizer), LinearRegressor(optimizer=optimizer, l1=1e-300)
    X = np.random.default_rng(5).normal(size=(300, 5))
    y = 3.0 + X @ [1.0, -2.0, 0.5, 0.0, 4.0]
    assert together.learn_many(X, y) == pytest.approx(apart.learn_many(X, y), rel=1e-6, abs=1e-9)


def test_weight_decay_spares_the_intercept() -> None:
    kept, decayed = (LinearRegressor(optimizer=AdamW(weight_decay=d)) for d in (0.0, 5.0))
    for model in (kept, decayed):
        for i in range(300):
            model.learn_one({"a": float(i % 3)}, 3.0 * (i % 3))
    weights = [model.state_dict()["weights"] for model in (kept, decayed)]
    assert abs(weights[1][1, 0]) < 0.9 * abs(weights[0][1, 0])
    untouched = [LinearRegressor(optimizer=AdamW(weight_decay=d)) for d in (0.0, 5.0)]
    for model in untouched:
        for i in range(50):
            model.learn_one({}, float(i % 2))
    assert np.array_equal(*(model.state_dict()["weights"][0] for model in untouched))


class TestGuard:
    @every_optimizer
    @pytest.mark.parametrize("worst", [1e100, -1e100, 1e99, 1e-200, 1e-300, 5e-324])
    def test_no_gradient_however_odd_breaks_the_state(self, optimizer: Optimizer, worst: float) -> None:
        random = np.random.default_rng(1)
        g = random.choice([worst, -worst, 1.0, 0.0, -1.0, np.inf, -np.inf], size=(60, 3))
        for slopes in (None, random.choice([1e-320, 1e-3, 1.0, -1e100, 1e100], size=60)):
            with np.errstate(over="ignore"):
                path, served, _ = run_steps(optimizer, g, np.zeros(3), 0.0, slopes)
            assert np.isfinite(path).all()
            assert np.isfinite(served).all()

    def test_a_step_that_would_be_too_large_is_undone_and_forgotten(self) -> None:
        g = np.array([[1.0, 1.0], [1e100, 1.0], [1.0, 1.0]])
        path, _, undone = run_steps(SGD(lr=10.0), g, np.zeros(2))
        # Both parameters belong to one run, which is undone as a whole.
        assert path.tolist() == [[-10.0, -10.0], [-10.0, -10.0], [-20.0, -20.0]]
        assert undone == 1
        apart = np.array([[1e100, np.nan, 1.0]])
        path, _, undone = run_steps(SGD(lr=10.0), apart, np.zeros(3))
        assert path.tolist() == [[0.0, 0.0, -10.0]]
        assert undone == 1

    @pytest.mark.parametrize("optimizer", [one for one in COMPILED if accepts_optimizer(MLPRegressor, one)], ids=repr)
    def test_a_learner_with_weights_on_the_edge_stays_finite(self, optimizer: Optimizer) -> None:
        # Large enough that products in the forward pass overflow.
        model: Any = MLPRegressor(hidden=(3, 3, 3), optimizer=optimizer, replay_steps=0)
        for i in range(10):
            model.learn_one({"a": float(i), "b": -float(i % 3)}, float(i))
        state = model.state_dict()
        for name in ("layer0", "layer1", "layer2", "output", "skip"):
            state[name] = np.where(state[name] == 0, 0.0, np.copysign(3e38, state[name]))
        model.load_state_dict(state)
        for i in range(50):
            model.learn_one({"a": float(i), "b": -float(i % 3)}, float(i))
        assert all(isinstance(v, list) or np.isfinite(v).all() for v in model.state_dict().values())
        assert np.isfinite(model.predict_one({"a": 1.0, "b": 0.0}))


def test_tables_given_the_same_optimizer_share_no_state() -> None:
    optimizer = Adam()
    one, two = (LinearRegressor(optimizer=optimizer) for _ in range(2))
    one.learn_one({"a": 1.0}, 1.0)
    one.learn_one({"a": 2.0}, 2.0)
    assert two.state_dict()["weights"].tolist() == [[0.0]]


def test_a_table_is_saved_and_restored() -> None:
    table, copy = ParameterTable(Adam(), 3, 4), ParameterTable(Adam(), 3, 1)
    for i, array in enumerate(table.arrays):
        array[:] = np.arange(12.0).reshape(4, 3) + i
    copy.restore(table.save(4))
    for a, b in zip(table.save(4), copy.save(4), strict=True):
        assert a.tobytes() == b.tobytes()
    assert (copy.rows, copy.width) == (4, 3)


def test_a_state_of_another_shape_is_refused() -> None:
    table = ParameterTable(Adam(), 3, 4)
    w = np.zeros((2, 3))
    for wrong in ([w], [w] * 4 + [np.zeros((1, 3))], [np.zeros((2, 4))] * 5, [np.zeros(3)] * 5):
        with pytest.raises(ValueError, match="A table of width 3 has 5 arrays"):
            table.restore(wrong)


@dataclasses.dataclass(frozen=True)
class Unknown(Optimizer):
    rule = "sgdd"
    lr: float = 0.1


@dataclasses.dataclass(frozen=True)
class TooMany(Optimizer):
    rule = "sgd"
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0
    f: float = 0.0
    g: float = 0.0
    h: float = 0.0
    i: float = 0.0


@dataclasses.dataclass(frozen=True)
class WrongSlots(Optimizer):
    rule = "adam"
    slots = ("m", "v")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Unknown(), 1, 1), "no compiled rule named 'sgdd'"),
        ((TooMany(), 1, 1), "at most 8 hyper-parameters"),
        ((WrongSlots(), 1, 1), "must have 4 slots"),
        ((SGD(), 0, 1), "at least 1 row"),
        ((SGD(), 1, 0), "at least 1 row"),
    ],
)
def test_a_table_that_cannot_be_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParameterTable(*arguments)


def test_steps_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="2 steps do not pair with 3 slopes"):
        run_steps(SGD(), np.zeros((2, 1)), np.zeros(1), 0.0, np.ones(3))
